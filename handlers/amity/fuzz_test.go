package amity_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chatbell/handlers/native"
	"chatbell/handlers/web"
)

// nativeAPI is chatbell's own, over the same state.
func nativeAPI(r *rig) (http.Handler, error) {
	return native.New(native.Config{
		Common: web.Common{Keys: keys{}, Log: slog.New(slog.DiscardHandler)}, Intake: &door{seen: map[string]bool{}}, State: r.store,
		DeadLetters: struct{ native.DeadLetters }{},
	})
}

// FuzzCall: whatever Amity, or somebody who has its secret, sends, it is answered in
// Amity's form; a call that is taken comes to events that our own API would take as well,
// and the same call again to the same events.
func FuzzCall(f *testing.F) {
	f.Add(message)
	for _, name := range []string{
		"channel.didCreate", "channel.didJoin", "channel.didBan", "channel.didUpdate", "channel.didDelete", "message.didUpdate", "message.didDelete",
		"message.didAddReaction", "user.didUpdate", "user.didBan", "follow.didCreate",
	} {
		f.Add(`{"event":"` + name + `","data":{"channel":[{"channelId":"c","displayName":"C","type":"conversation","notificationMode":"silent","createdAt":"2026-11-20T09:00:00Z","isDeleted":true}],` +
			`"messages":[{"messageId":"m","channelId":"c","userId":"a","type":"imagemap","data":{"text":"x"},"mentionees":[{"type":"channel"},{"type":"user","userIds":["b"]}],"editedAt":"2026-11-20T09:00:00Z"}],` +
			`"users":[{"_id":"1","userId":"a","displayName":"A","roles":["r"],"metadata":{"locale":"de"}}],"userIds":["a","1"],"reactor":{"userId":"a"},"userId":"a"}}`)
	}
	f.Add(`{"event":"channel.didJoin","data":{"channel":{"channelId":"\ud800"},"userIds":["\u0000"]}}`)
	f.Add(`{"event":"message.didCreate","data":{"messages":{"messageId":"m","channelId":"c","creatorId":"x","data":null,"metadata":[[[[]]]],"createdAt":"0001-01-01T00:00:00Z"}}}`)
	f.Add(`{"event":"user.didUpdate","data":{"users":[{"userId":"a","metadata":5,"roles":[null]}]}}`)
	base := start(f)
	own, err := nativeAPI(base)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) { checkCall(t, base, own, body) })
}

// checkCall plays one call, and reports whether it was taken.
func checkCall(t *testing.T, base *rig, own http.Handler, body string) bool {
	r := *base
	r.t = t
	r.in.take()
	r.in.seen = map[string]bool{}
	a := r.amity(body)
	switch a.status {
	case 200:
	case 400, 413:
		r.fails(a, a.status, 400000)
		if len(r.in.take()) > 0 {
			t.Error("something was taken of a bad call")
		}
		return false
	default:
		t.Fatalf("%d %s", a.status, a.body)
	}
	events := r.in.take()
	if again := r.amity(body); again.status != 200 || strings.Contains(again.body, `"accepted"`) || len(r.in.take()) > 0 {
		t.Errorf("the same call again: %d %s", again.status, again.body)
	}
	for _, e := range events {
		data, err := json.Marshal(e.Event)
		if err != nil {
			t.Fatal(err)
		}
		q := httptest.NewRequest("POST", "/v1/events", strings.NewReader(string(data)))
		q.Header.Set("Authorization", "Bearer "+serverKey)
		q.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		own.ServeHTTP(w, q)
		if w.Code != 202 {
			t.Errorf("our own API does not take %s: %d %s", data, w.Code, w.Body)
		}
	}
	return true
}

// FuzzSetting: what is taken as a setting can be read, and our own API would take it.
func FuzzSetting(f *testing.F) {
	f.Add(`{"level":"user","isPushNotifiable":true,"notifiableEvents":[{"name":"chat","isPushNotifiable":true,"ignoreFromRoleIds":["muted"]}]}`)
	f.Add(`{"level":"channel","channelId":"c","isPushNotifiable":null,"mentionsOnly":true,"notifiableEvents":[{"name":"community.roleAdded","listenFromRoleIds":[]}]}`)
	f.Add(`{"level":"user","snoozeUntil":"2026-11-20T10:00:00Z","quietHours":{"from":"22:00","to":"07:00"}}`)
	f.Add(`{"level":"user","snoozeUntil":"0000-01-01T00:00:00Z","quietHours":{"from":"22:00","to":"07:00","timezone":"Local"}}`)
	base := start(f)
	own, err := nativeAPI(base)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := *base
		r.t = t
		a := r.user("alice", "POST", usersPath, body)
		if a.status == 400 || a.status == 403 {
			return
		}
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if read := r.user("alice", "GET", usersPath+"?level=user", ""); read.status != 200 {
			t.Errorf("afterwards the settings read as %d %s", read.status, read.body)
		}
		s, err := r.store.UserSettings(t.Context(), "acme", "alice")
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		q := httptest.NewRequest("PUT", "/v1/settings/users/alice", strings.NewReader(string(data)))
		q.Header.Set("Authorization", "Bearer "+serverKey)
		w := httptest.NewRecorder()
		own.ServeHTTP(w, q)
		if w.Code != 200 {
			t.Errorf("our own API does not take %s: %d %s", data, w.Code, w.Body)
		}
	})
}
