package amity_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"chatbell"
	"chatbell/pipeline/webhooks"
)

// What comes in from Amity and goes out to a customer's endpoint in Amity's words means
// the same when it comes in again: nothing that we know of is lost in between.
func TestRoundTrip(t *testing.T) {
	r := start(t)
	const (
		channel = `{"channelId":"c","displayName":"General","type":"community","notificationMode":"silent","creatorId":"bob","createdAt":"2026-11-20T09:00:00Z","updatedAt":"2026-11-20T09:30:00Z"}`
		users   = `"users":[{"userId":"bob","displayName":"Bob"},{"userId":"carol","displayName":"Carol"},{"userId":"alice","displayName":"Alice","roles":["member"],"userType":"bot"}]`
		people  = users + `,"userIds":["bob","carol"]`
		wrote   = `"channelId":"c","userId":"alice","createdAt":"2026-11-20T09:00:00Z","updatedAt":"2026-11-20T09:00:00Z"`
	)
	for _, body := range []string{
		`{"event":"channel.didCreate","data":{"channel":[` + channel + `],` + people + `}}`,
		`{"event":"channel.didJoin","data":{"channel":[` + channel + `],` + people + `}}`,
		`{"event":"channel.didLeave","data":{"channel":[` + channel + `],` + people + `}}`,
		`{"event":"channel.didAddUsers","data":{"channel":[` + channel + `],"adderId":"alice",` + people + `}}`,
		`{"event":"channel.didRemoveUsers","data":{"channel":[` + channel + `],"removerId":"alice",` + people + `}}`,
		`{"event":"channel.didUpdate","data":{"channel":[` + channel + `],"userId":"alice",` + users + `}}`,
		`{"event":"channel.didDelete","data":{"channel":[` + channel + `],"userId":"alice",` + users + `}}`,
		`{"event":"message.didCreate","data":{"messages":[{"messageId":"m","parentId":"p","type":"text","data":{"text":"Hi"},"metadata":{"a":1},"mentionees":[{"type":"user","userIds":["bob"]},{"type":"channel"}],` + wrote + `}],` + users + `}}`,
		`{"event":"message.didCreate","data":{"messages":[{"messageId":"m","type":"image","data":{"url":"x"},` + wrote + `}],` + users + `}}`,
		`{"event":"message.didUpdate","data":{"messages":[{"messageId":"m","type":"custom","data":[1],` + wrote + `}],` + users + `}}`,
		`{"event":"message.didDelete","data":{"messages":[{"messageId":"m","type":"text",` + wrote + `}],` + users + `}}`,
		`{"event":"message.didFlag","data":{"messages":[{"messageId":"m","type":"text",` + wrote + `}],` + users + `}}`,
		`{"event":"message.didAddReaction","data":{"messages":[{"messageId":"m","type":"text",` + wrote + `}],` + users + `,"reactor":{"userId":"bob"}}}`,
		`{"event":"user.didUpdate","data":{"users":[{"userId":"bob","displayName":"Bob","roles":["r"],"isGlobalBan":true}]}}`,
		`{"event":"user.didUpdate","data":{"users":[{"userId":"bob","displayName":"Bob","userType":"visitor"}]}}`,
		`{"event":"user.didUpdate","data":{"users":[{"userId":"bob","displayName":"Bob"}]}}`,
		`{"event":"user.didUpdate","data":{"users":[{"userId":"bob","displayName":"Bob","roles":[]}]}}`,
	} {
		first := r.one(body)
		out, err := webhooks.RawEventBody(&first)
		if err != nil {
			t.Fatal(err)
		}
		second := r.one(string(out))
		same := cmp.Options{
			cmpopts.IgnoreFields(chatbell.Event{}, "ID"), cmpopts.EquateEmpty(),
			cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) || a.Equal(r.now) || b.Equal(r.now) }), // where nobody says when
		}
		if diff := cmp.Diff(first, second, same); diff != "" {
			t.Errorf("%s\nwent out as\n%s (-first +second)\n%s", body, out, diff)
		}
	}
}

// one takes a call that comes to one event.
func (r *rig) one(body string) chatbell.Event {
	r.t.Helper()
	r.in.seen = map[string]bool{}
	a := r.amity(body)
	events := r.in.take()
	if len(events) != 1 {
		r.t.Fatalf("%s: %d %s, %d events", body, a.status, a.body, len(events))
	}
	return events[0].Event
}
