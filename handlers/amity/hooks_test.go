package amity_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/pipeline/intake"
)

const message = `{"event":"message.didCreate","data":{"messages":[{"messageId":"m1","channelId":"general","userId":"alice","type":"text","data":{"text":"Hi"},"createdAt":"2026-11-20T09:59:00.000Z"}],"users":[{"userId":"alice","displayName":"Alice","roles":["member"]}]}}`

// A call is taken if it is signed with one of the network's secrets, in the form of that
// webhook, and else by nobody.
func TestSignatures(t *testing.T) {
	r := start(t)
	good := base64.StdEncoding.EncodeToString(sum(hookSecret, message))
	const path = "/v1/hooks/amity"
	for name, c := range map[string]struct {
		path, header, value string
		status              int
	}{
		"base64":                      {path, "X-Amity-Signature", good, 200},
		"the older header":            {path, "X-Eko-Signature", good, 200},
		"hex, of the other webhook":   {path, "X-Amity-Signature", hex.EncodeToString(sum(hexSecret, message)), 200},
		"hex in capitals":             {path, "X-Amity-Signature", strings.ToUpper(hex.EncodeToString(sum(hexSecret, message))), 200},
		"network named":               {path + "?network=acme", "X-Amity-Signature", good, 200},
		"another network":             {path + "?network=globex", "X-Amity-Signature", good, 401},
		"no network at all":           {path + "?network=nobody", "X-Amity-Signature", good, 401},
		"none":                        {path, "X-Other", "", 401},
		"empty":                       {path, "X-Amity-Signature", "", 401},
		"hex where base64 is said":    {path, "X-Amity-Signature", hex.EncodeToString(sum(hookSecret, message)), 401},
		"base64 where hex is said":    {path, "X-Amity-Signature", base64.StdEncoding.EncodeToString(sum(hexSecret, message)), 401},
		"of another body":             {path, "X-Amity-Signature", base64.StdEncoding.EncodeToString(sum(hookSecret, message+" ")), 401},
		"with another secret":         {path, "X-Amity-Signature", base64.StdEncoding.EncodeToString(sum("guess", message)), 401},
		"cut":                         {path, "X-Amity-Signature", base64.StdEncoding.EncodeToString(sum(hookSecret, message)[:31]), 401},
		"no base64":                   {path, "X-Amity-Signature", "ä" + good[1:], 401},
		"a server key instead":        {path, "Authorization", "Bearer " + serverKey, 401},
		"the signature of an empty":   {path, "X-Amity-Signature", base64.StdEncoding.EncodeToString(sum("", message)), 401},
		"the URL's alphabet, unequal": {path, "X-Amity-Signature", strings.Repeat("-", 44), 401},
	} {
		a := r.call("POST", c.path, message, c.header, c.value)
		if a.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, c.status)
		}
		if c.status != 200 {
			r.fails(a, 401, 400100)
		}
		if c.value != "" && strings.Contains(r.log.String(), c.value) {
			t.Errorf("%s: the log has the signature", name)
		}
	}
	if got := len(r.in.take()); got != 1 {
		t.Errorf("%d events, want one: all calls were the same", got)
	}
}

// fields are what a test compares of an event.
type fields struct {
	Type, ID, Actor, Channel, Members string
}

func (r *rig) made() []fields {
	out := []fields{}
	for _, e := range r.in.take() {
		f := fields{Type: string(e.Event.Type), ID: string(e.Event.ID), Actor: string(e.Event.Actor.ID), Channel: string(e.Event.Channel.ID)}
		for _, m := range e.Event.Members {
			f.Members += string(m.ID) + " " + m.Name + ";"
		}
		if e.Event.User != nil {
			f.Members = fmt.Sprint(e.Event.User.ID, " ", e.Event.User.Name, " ", e.Event.User.Roles)
		}
		if strings.Count(f.ID, ":") == 2 && f.Type != "channel.created" && f.Type != "message.updated" {
			f.ID = f.ID[:strings.LastIndex(f.ID, ":")] // what comes then is a hash
		}
		out = append(out, f)
	}
	return out
}

// Each of Amity's chat events becomes the event of ours that it is.
func TestEvents(t *testing.T) {
	r := start(t)
	const (
		channel = `{"channelId":"c","displayName":"General","type":"community","createdAt":"2026-11-20T09:00:00Z"}`
		users   = `"users":[{"_id":"65a","userId":"bob","displayName":"Bob"},{"userId":"carol"},{"userId":"alice","displayName":"Alice"}]`
		people  = users + `,"userIds":["bob","carol"]`
	)
	for _, c := range []struct {
		name, data string
		want       []fields
	}{
		{"channel.didCreate", `"channel":[` + channel + `],` + people, []fields{{"channel.created", "channel.didCreate:c:20261120T090000.000", "", "c", "bob Bob;carol ;"}}},
		{"channel.didCreate", `"channel":` + strings.Replace(channel, "{", `{"creatorId":"65a",`, 1) + `,` + people, []fields{{"channel.created", "channel.didCreate:c:20261120T090000.000", "bob", "c", "bob Bob;carol ;"}}},
		{"channel.didJoin", `"channel":[` + channel + `],` + people, []fields{{"channel.joined", "channel.didJoin:c", "bob", "c", "bob Bob;carol ;"}}},
		{"channel.didJoin", `"channel":` + channel + `,"users":[{"userId":"bob","displayName":"Bob"}]`, []fields{{"channel.joined", "channel.didJoin:c", "bob", "c", "bob Bob;"}}},
		{"channel.didLeave", `"channel":[` + channel + `],` + people, []fields{{"channel.left", "channel.didLeave:c", "bob", "c", "bob Bob;carol ;"}}},
		{"channel.didAddUsers", `"channel":[` + channel + `],"adderId":"alice",` + people, []fields{{"channel.joined", "channel.didAddUsers:c", "alice", "c", "bob Bob;carol ;"}}},
		{"channel.didRemoveUsers", `"channel":[` + channel + `],"removerId":"alice",` + people, []fields{{"channel.left", "channel.didRemoveUsers:c", "alice", "c", "bob Bob;carol ;"}}},
		{"channel.didBan", `"channel":[` + channel + `],"actorId":"alice",` + people, []fields{{"channel.left", "channel.didBan:c", "alice", "c", "bob Bob;carol ;"}}},
		{"channel.didUpdate", `"channel":[` + channel + `],"userId":"alice"`, []fields{{"channel.updated", "channel.didUpdate:c", "alice", "c", ""}}},
		{"channel.didUpdateMeta", `"channel":[` + channel + `,{"channelId":"d"}],"userId":"alice"`, []fields{
			{"channel.updated", "channel.didUpdateMeta:c", "alice", "c", ""}, {"channel.updated", "channel.didUpdateMeta:d", "alice", "d", ""},
		}},
		{"channel.didUpdate", `"channel":[{"channelId":"c","isDeleted":true}],"userId":"alice"`, []fields{{"channel.deleted", "channel.didUpdate:c", "alice", "c", ""}}},
		{"channel.didClose", `"channel":[` + channel + `]`, []fields{{"channel.updated", "channel.didClose:c", "", "c", ""}}},
		{"channel.didDelete", `"channel":[` + channel + `]`, []fields{{"channel.deleted", "channel.didDelete:c", "", "c", ""}}},
		{"message.didCreate", `"messages":[{"messageId":"m2","channelId":"c","userId":"alice","type":"text","data":{"text":"x"}}],` + users, []fields{{"message.created", "message.didCreate:m2", "alice", "c", ""}}},
		{"message.didCreate", `"messages":[{"messageId":"m3","channelId":"c","creatorId":"65a","dataType":"image","data":{}}],` + users, []fields{{"message.created", "message.didCreate:m3", "bob", "c", ""}}},
		{"message.didCreate", `"messageFeeds":[{"messageId":"m4","channelId":"c","userId":"bob","type":"file"}]`, []fields{{"message.created", "message.didCreate:m4", "bob", "c", ""}}},
		{"message.didUpdate", `"messages":[{"messageId":"m2","channelId":"c","userId":"alice","type":"text","editedAt":"2026-11-20T09:01:00Z"}]`, []fields{{"message.updated", "message.didUpdate:m2:20261120T090100.000", "alice", "c", ""}}},
		{"message.didDelete", `"messages":[{"messageId":"m2","channelId":"c","userId":"alice","type":"text","isDeleted":true}]`, []fields{{"message.deleted", "message.didDelete:m2", "alice", "c", ""}}},
		{"message.didFlag", `"messages":[{"messageId":"m2","channelId":"c","userId":"alice","type":"text"}]`, []fields{{"message.flagged", "message.didFlag:m2", "", "c", ""}}},
		{"message.didUnflag", `"messages":[{"messageId":"m2","channelId":"c","userId":"alice","type":"text"}]`, []fields{{"message.unflagged", "message.didUnflag:m2", "", "c", ""}}},
		{"message.didClearflag", `"messages":[{"messageId":"m2","channelId":"c","userId":"alice","type":"text"}]`, []fields{{"message.flags_cleared", "message.didClearflag:m2", "", "c", ""}}},
		{"message.didAddReaction", `"messages":[{"messageId":"m2","channelId":"c","userId":"alice","type":"text"}],"reactor":{"userId":"bob"}`, []fields{{"message.reaction_added", "message.didAddReaction:m2", "bob", "c", ""}}},
		{"message.didRemoveReaction", `"messages":[{"messageId":"m2","channelId":"c","userId":"alice","type":"text"}],"reactor":"bob"`, []fields{{"message.reaction_removed", "message.didRemoveReaction:m2", "bob", "c", ""}}},
		{"user.didCreate", `"users":[{"userId":"bob","displayName":"Bob","roles":["r"]}]`, []fields{{"user.updated", "user.didCreate:bob", "", "", "bob Bob [r]"}}},
		{"user.didUpdate", `"users":[{"userId":"bob"},{"userId":"v","userType":"Visitor","isDeleted":false}]`, []fields{
			{"user.updated", "user.didUpdate:bob", "", "", "bob  []"}, {"user.updated", "user.didUpdate:v", "", "", "v  [amity:visitor]"},
		}},
		{"user.didBan", `"users":[{"userId":"bob","roles":["r"]}]`, []fields{{"user.updated", "user.didBan:bob", "", "", "bob  [r amity:banned]"}}},
		{"user.didUnban", `"users":[{"userId":"bob","isGlobalBan":true}]`, []fields{{"user.updated", "user.didUnban:bob", "", "", "bob  [amity:user]"}}},
		{"user.didUpdate", `"users":[{"userId":"bob","roles":[]}]`, []fields{{"user.updated", "user.didUpdate:bob", "", "", "bob  [amity:user]"}}},
		{"user.didUpdate", `"users":[{"userId":"bob","isGlobalBan":false}]`, []fields{{"user.updated", "user.didUpdate:bob", "", "", "bob  [amity:user]"}}},
		{"user.didUpdate", `"users":[{"userId":"bob","isDeleted":true}]`, []fields{{"user.deleted", "user.didUpdate:bob", "", "", "bob  []"}}},
	} {
		a := r.amity(fmt.Sprintf(`{"event":%q,"data":{%s}}`, c.name, c.data))
		if diff := cmp.Diff(c.want, r.made()); a.status != 200 || diff != "" {
			t.Errorf("%s %s: %d %s (-want +made)\n%s", c.name, c.data, a.status, a.body, diff)
		}
		r.in.seen = map[string]bool{}
	}
}

// A message carries all that a notification, or a rule, may want of it.
func TestMessage(t *testing.T) {
	r := start(t)
	r.amity(`{"event":"message.didCreate","data":{"messages":[{"messageId":"m","parentId":"p","channelId":"c","channelType":"conversation","userId":"alice","type":"text",
		"data":{"text":"Hi @Bob"},"metadata":{"a":1},"mentionees":[{"type":"user","userIds":["bob"]},{"type":"channel"}],"createdAt":"2026-11-20T11:00:00+02:00"}],
		"channels":[{"channelId":"c","displayName":"Chat"}],
		"users":[{"userId":"alice","displayName":"Alice","roles":["member"],"userType":"bot","metadata":{"locale":"de","timezone":"Europe/Berlin"}}]}}`)
	got := r.in.take()
	if len(got) != 1 {
		t.Fatalf("%d events", len(got))
	}
	want := chatbell.Event{
		ID: "message.didCreate:m", Type: "message.created", Time: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC),
		Actor:   chatbell.Person{ID: "alice", Name: "Alice", Locale: "de", Timezone: "Europe/Berlin", Roles: []string{"member", "amity:bot"}},
		Channel: chatbell.ChannelRef{ID: "c", Name: "Chat", Type: "conversation"},
		Message: &chatbell.Message{ID: "m", Type: "text", Text: "Hi @Bob", Mentions: []chatbell.UserID{"bob"}, MentionsChannel: true, ThreadID: "p", Data: json.RawMessage(`{"a":1}`)},
	}
	if diff := cmp.Diff(want, got[0].Event); diff != "" || got[0].Network != "acme" || got[0].Source != chatbell.SourceEvent {
		t.Errorf("%+v (-want +got)\n%s", got[0], diff)
	}
	r.amity(`{"event":"message.didCreate","data":{"messages":[{"messageId":"v5","channelId":"c","creatorId":"a1","dataType":"text","data":{"text":"x"},
		"mentionedUsers":[{"type":"user","userIds":["b1"],"userPublicIds":["bob"]},{"type":"user","userIds":["c1"]}]}],
		"users":[{"_id":"a1","userId":"alice"},{"_id":"c1","userId":"carol"}]}}`)
	if got := r.in.take()[0].Event; got.Actor.ID != "alice" || fmt.Sprint(got.Message.Mentions) != "[bob carol]" || got.Message.MentionsChannel {
		t.Errorf("in the form of v5: %+v %+v", got, got.Message)
	}
	for amity, ours := range map[string]string{"image": "image", "video": "video", "audio": "audio", "custom": "custom", "imagemap": "custom", "": "custom", "new": "custom"} {
		r.amity(fmt.Sprintf(`{"event":"message.didCreate","data":{"messages":[{"messageId":"m-%s","channelId":"c","userId":"a","type":%q,"data":{"text":"t","x":[1]}}]}}`, amity, amity))
		got := r.in.take()[0].Event.Message
		if string(got.Type) != ours || got.Text != "t" || string(got.Data) != `{"text":"t","x":[1]}` {
			t.Errorf("%q: %+v", amity, got)
		}
	}
}

// A channel's mode comes with it, and one that nobody knows says nothing.
func TestChannelMode(t *testing.T) {
	r := start(t)
	for i, c := range [][2]string{{"silent", "silent"}, {"SUBSCRIBE", "subscribe"}, {"loud", "subscribe"}, {"", "subscribe"}, {"default", "default"}} {
		r.apply(fmt.Sprintf(`{"event":"channel.didUpdate","data":{"channel":[{"channelId":"c","notificationMode":%q,"updatedAt":"2026-11-20T10:00:0%dZ"}]}}`, c[0], i))
		got, err := r.store.Channel(t.Context(), "acme", "c")
		if err != nil || string(got.NotificationMode) != c[1] {
			t.Errorf("after %q the mode is %q, want %q (%v)", c[0], got.NotificationMode, c[1], err)
		}
	}
}

// The same call again is told so, also with other white space and in the older header; a
// change that comes later is another event.
func TestRepeats(t *testing.T) {
	r := start(t)
	statuses := func(a answer) (out []string) {
		var got struct{ Events []struct{ Status string } }
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for _, e := range got.Events {
			out = append(out, e.Status)
		}
		return out
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(message), "", "  "); err != nil {
		t.Fatal(err)
	}
	const joined = `{"event":"channel.didJoin","data":{"channel":[{"channelId":"c","lastActivity":"%s"}],"userIds":["bob"]}}`
	for _, c := range []struct{ body, want string }{
		{message, "accepted"},
		{message, "duplicate"},
		{indented.String(), "duplicate"},
		{fmt.Sprintf(joined, "1"), "accepted"},
		{strings.ReplaceAll(fmt.Sprintf(joined, "1"), ",", ",\n"), "duplicate"},
		{fmt.Sprintf(joined, "2"), "accepted"}, // joined, left and joined again
		{strings.ReplaceAll(message, "didCreate", "didUpdate"), "accepted"},
		{strings.ReplaceAll(message, "didCreate", "didDelete"), "accepted"},
	} {
		if got := statuses(r.amity(c.body)); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %v, want %s", c.body, got, c.want)
		}
	}
	r.in.midway = true
	two := strings.Replace(message, `"messages":[`, `"messages":[{"messageId":"m0","channelId":"c","userId":"a","type":"text"},{"messageId":"m00","channelId":"c","userId":"a","type":"text"},`, 1)
	a := r.amity(two)
	r.fails(a, 503, 500000)
	if a.header.Get("Retry-After") == "" {
		t.Error("nobody says when to come again")
	}
	r.in.midway = false
	if got := statuses(r.amity(two)); fmt.Sprint(got) != "[duplicate duplicate duplicate]" && fmt.Sprint(got) != "[duplicate duplicate accepted]" {
		t.Errorf("the call again: %v", got)
	}
}

// What chatbell has no use for is taken, and said so: Amity would call again and again.
func TestIgnored(t *testing.T) {
	r := start(t)
	for name, says := range map[string]string{
		"follow.didCreate": "follow.didCreate is not used", "v3.post.didCreate": "not used", "poll.didVote": "not used", "user.didFlag": "not used",
		"video-streaming.didStart": "not used", "moderation.didBan": "forbidden word", "something.new": "no event that chatbell knows",
		strings.Repeat("x", 1000): "no event that chatbell knows",
	} {
		a := r.amity(fmt.Sprintf(`{"event":%q,"data":{"users":5}}`, name))
		var got struct {
			Events  []string
			Ignored string
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 || len(got.Events) != 0 || !strings.Contains(got.Ignored, says) || len(a.body) > 300 {
			t.Errorf("%.30s: %d %s", name, a.status, a.body)
		}
	}
	if r.rejected != 0 || len(r.in.take()) != 0 {
		t.Error("something was made of them")
	}
}

// Hostile input names the field; nothing of such a call is taken.
func TestBadCalls(t *testing.T) {
	r := start(t)
	event := func(name, data string) string { return fmt.Sprintf(`{"event":%q,"data":%s}`, name, data) }
	wrote := func(what string) string {
		return event("message.didCreate", `{"messages":[{"messageId":"m","channelId":"c","userId":"a","type":"text"},{`+what+`}]}`)
	}
	long := strings.Repeat("x", 151)
	for body, want := range map[string]string{
		``: "The body must be a JSON object", `[]`: "The body must be a JSON object", "{\"event\":\"\xff\"}": "valid UTF-8", `{`: "JSON object",
		`{"data":{}}`:           "'event' field is required",
		`{"event":5,"data":{}}`: "'event' field must be a string",
		`{"event":"message.didCreate","event":"x","data":{}}`: "'event' field is given twice",
		event("message.didCreate", `[]`):                      "'data' field must be an object",
		event("message.didCreate", `null`):                    "'data' field must be an object",
		`{"event":"message.didCreate"}`:                       "'data' field must be an object",
		event("message.didCreate", `{}`):                      "'data.messages' field must have a message",
		event("message.didCreate", `{"messages":5}`):          "'data.messages' field must be an object",
		event("message.didCreate", `{"messages":[5]}`):        "'data.messages[0]' field must be an object",
		event("message.didCreate", `{"messages":[null]}`):     "'data.messages[0]' field must be an object",
		wrote(``):                                "'data.messages[1].messageId' field must have 1 to 150",
		wrote(`"messageId":"n","channelId":"c"`): "'data.messages[1].userId' field is required",
		wrote(`"messageId":"n","userId":"a"`):    "'data.messages[1].channelId' field must have 1 to 150",
		wrote(`"messageId":5`):                   "'data.messages[1].messageId' field must be a string",
		wrote(`"messageId":"` + long + `","channelId":"c","userId":"a"`):                                                                                      "'data.messages[1].messageId' field must have 1 to 150",
		wrote(`"messageId":"n\u0007","channelId":"c","userId":"a"`):                                                                                           "'data.messages[1].messageId' field must not contain control",
		wrote(`"messageId":"n","messageId":"o","channelId":"c","userId":"a"`):                                                                                 "'data.messages[1].messageId' field is given twice",
		wrote(`"messageId":"n","channelId":"c","userId":"a","createdAt":"today"`):                                                                             "'data.messages[1].createdAt' field must be an RFC 3339",
		wrote(`"messageId":"n","channelId":"c","userId":"a","createdAt":"9999-01-01T00:00:00Z"`):                                                              "'data.messages[1]' field must have times within",
		wrote(`"messageId":"n","channelId":"c","userId":"a","mentionees":[{"type":"user","userIds":["b",""]}]`):                                               "'data.messages[1].mentionees[0].userIds[1]' field must have 1",
		wrote(`"messageId":"n","channelId":"c","userId":"a","mentionees":[{"userIds":[5]}]`):                                                                  "'data.messages[1].mentionees[0].userIds[0]' field must be a string",
		wrote(`"messageId":"n","channelId":"c","userId":"a","data":{"text":"` + strings.Repeat("x", 20001) + `"}`):                                            "'data.messages[1].data.text' field must have at most 20000",
		event("channel.didJoin", `{"channel":[],"userIds":["a"]}`):                                                                                            "'data.channel' field must name a channel",
		event("channel.didJoin", `{"channel":[{"channelId":"c"}]}`):                                                                                           "'data.users' field must name at least one user",
		event("channel.didJoin", `{"channel":[{"channelId":"c"}],"userIds":["a",5]}`):                                                                         "'data.userIds[1]' field must be a string",
		event("channel.didJoin", `{"channel":[{"channelId":"c"}],"userIds":["a",""]}`):                                                                        "'data.userIds[1]' field must have 1 to 150",
		event("channel.didJoin", `{"channel":{"channelId":{}},"userIds":["a"]}`):                                                                              "'data.channel.channelId' field must be a string",
		event("channel.didAddUsers", `{"channel":[{"channelId":"c"}],"userIds":["a"],"adderId":[]}`):                                                          "'data.adderId' field must be a string",
		event("channel.didAddUsers", `{"channel":[{"channelId":"c"}],"userIds":["a"],"adderId":"`+long+`"}`):                                                  "'data.adderId' field must have 1 to 150",
		event("user.didUpdate", `{"users":[]}`):                                                                                                               "'data.users' field must name at least one user",
		event("user.didUpdate", `{"users":[{"userId":""}]}`):                                                                                                  "'data.users[0].userId' field must have 1 to 150",
		event("user.didUpdate", `{"users":[{"userId":"a","roles":["`+long+`"]}]}`):                                                                            "'data.users[0].roles[0]' field must have 1 to 150",
		event("user.didUpdate", `{"users":[{"userId":"a","roles":"admin"}]}`):                                                                                 "'data.users[0].roles' field must be an array",
		event("message.didAddReaction", `{"messages":[{"messageId":"m","channelId":"c"}],"reactor":5}`):                                                       "'data.reactor' field must be a string",
		event("message.didAddReaction", `{"messages":[{"messageId":"m","channelId":"c"}],"reactor":{"userId":5}}`):                                            "'data.reactor.userId' field must be a string",
		event("message.didCreate", `{"messages":[{"messageId":"m","channelId":"c","userId":"a","type":"custom","data":"`+strings.Repeat("x", 530_000)+`"}]}`): "'data' field must come to events of at most",
	} {
		if got := strings.Join(r.fails(r.amity(body), 400, 400000), "\n"); !strings.Contains(got, want) {
			t.Errorf("%.160s: %q, want %q", body, got, want)
		}
	}
	if got := r.in.take(); len(got) != 0 || r.rejected == 0 {
		t.Errorf("%d events, %d rejected", len(got), r.rejected)
	}
	large := `{"event":"message.didCreate","data":"` + strings.Repeat("x", 4<<20) + `"}`
	r.fails(r.amity(large), 413, 400000)
	r.fails(r.call("POST", "/v1/hooks/amity", message, "Content-Encoding", "gzip", "X-Amity-Signature", base64.StdEncoding.EncodeToString(sum(hookSecret, message))), 415, 400000)
}

// A channel with more members than one event may have is told in several.
func TestManyMembers(t *testing.T) {
	r := start(t)
	ids := make([]string, 2300)
	for i := range ids {
		ids[i] = fmt.Sprintf("%q", fmt.Sprint("user-", i))
	}
	r.amity(`{"event":"channel.didCreate","data":{"channel":[{"channelId":"c"}],"userIds":[` + strings.Join(ids, ",") + `]}}`)
	seen := map[chatbell.UserID]bool{}
	keys := map[chatbell.EventID]bool{}
	for _, e := range r.in.take() {
		keys[e.Event.ID] = true
		if len(e.Event.Members) > chatbell.MaxEventMembers || e.Event.Type != chatbell.ChannelCreated {
			t.Errorf("a %s with %d members", e.Event.Type, len(e.Event.Members))
		}
		for _, m := range e.Event.Members {
			seen[m.ID] = true
		}
	}
	if len(seen) != 2300 || len(keys) != 3 {
		t.Errorf("%d members in %d events", len(seen), len(keys))
	}
}

// What passes by itself is told as such, and Amity calls again.
func TestIntakeRefuses(t *testing.T) {
	r := start(t)
	for cause, want := range map[intake.Cause][2]int{intake.Overloaded: {429, 400311}, intake.Unavailable: {503, 500000}, intake.Stopping: {503, 500000}} {
		r.in.answer = &intake.Error{Cause: cause, RetryAfter: 5 * time.Second, Err: errors.New("nats://10.0.0.1")}
		a := r.amity(message)
		r.fails(a, want[0], want[1])
		if a.header.Get("Retry-After") != "5" || strings.Contains(a.body, "10.0.0.1") {
			t.Errorf("%v %s", a.header, a.body)
		}
	}
	r.in.answer = errors.New("what nobody thought of: /var/secret")
	if a := r.amity(message); strings.Contains(a.body, "secret") {
		t.Errorf("it tells %s", a.body)
	} else {
		r.fails(a, 500, 500000)
	}
}
