package webhooks_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/pipeline/webhooks"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// golden compares a body with testdata/<name>.golden, indented for the reader.
func golden(t *testing.T, name string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	b.WriteByte('\n')
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func event(typ chatbell.EventType) *chatbell.Event {
	return &chatbell.Event{
		ID: "e1", Type: typ, Time: time.Date(2026, 11, 20, 11, 0, 0, 5e6, time.FixedZone("CET", 3600)),
		Actor:   chatbell.Person{ID: "alice", Name: "Alice", Roles: []string{"member"}},
		Channel: chatbell.ChannelRef{ID: "general", Name: "General", Type: "community"},
	}
}

func people(ids ...chatbell.UserID) []chatbell.Person {
	out := make([]chatbell.Person, len(ids))
	for i, id := range ids {
		out[i] = chatbell.Person{ID: id, Name: "Name of " + string(id)}
	}
	return out
}

func withMessage(e *chatbell.Event, m chatbell.Message) *chatbell.Event {
	m.ID = "m1"
	e.Message = &m
	return e
}

func events() map[string]*chatbell.Event {
	created, joined, left := event(chatbell.ChannelCreated), event(chatbell.ChannelJoined), event(chatbell.ChannelLeft)
	created.Members, joined.Members, left.Members = people("bob", "carol"), people("dave", "erin"), people("bob")
	user, custom := event(chatbell.UserUpdated), event("order.shipped")
	user.Channel, user.User = chatbell.ChannelRef{}, &chatbell.Person{ID: "bob", Name: "Bob", Roles: []string{"admin"}}
	custom.Data = json.RawMessage(`{"order":7,"note":"<3 & more"}`)
	flagged := withMessage(event("message.flagged"), chatbell.Message{Type: chatbell.MessageText})
	flagged.Data = json.RawMessage(`{"messages":[{"messageId":"m1"}],"users":[]}`)
	own := event(chatbell.ChannelJoined)
	own.Members, own.Actor = people("dave"), chatbell.Person{ID: "dave", Name: "Dave"}
	kinds := event(chatbell.UserUpdated)
	kinds.Channel, kinds.User = chatbell.ChannelRef{}, &chatbell.Person{ID: "bob", Roles: []string{"amity:bot", "r", "amity:banned"}}
	loud := event(chatbell.ChannelUpdated)
	loud.Channel.Mode = chatbell.ModeSilent
	everybody := withMessage(event(chatbell.MessageCreated), chatbell.Message{Type: chatbell.MessageText, Text: "all", MentionsChannel: true})
	return map[string]*chatbell.Event{
		"channel.joined-self": own, "user.updated-kinds": kinds, "channel.updated-mode": loud, "message.created-everybody": everybody,
		"channel.created": created, "channel.joined": joined, "channel.left": left,
		"channel.updated": event(chatbell.ChannelUpdated), "channel.deleted": event(chatbell.ChannelDeleted),
		"message.created": withMessage(event(chatbell.MessageCreated), chatbell.Message{
			Type: chatbell.MessageText, Text: "Hi <all> & 千代", Mentions: []chatbell.UserID{"bob"}, ThreadID: "m0", Data: json.RawMessage(`{"mood":"good"}`),
		}),
		"message.created-image": withMessage(event(chatbell.MessageCreated), chatbell.Message{
			Type: chatbell.MessageImage, Text: "look", Data: json.RawMessage(`{"url":"https://cdn.example/1.png"}`),
		}),
		"message.created-custom": withMessage(event(chatbell.MessageCreated), chatbell.Message{
			Type: chatbell.MessageCustom, Data: json.RawMessage(`{"text":"own","n":1}`),
		}),
		"message.created-odd": withMessage(event(chatbell.MessageCreated), chatbell.Message{
			Type: chatbell.MessageFile, Data: json.RawMessage(`[1,2]`),
		}),
		"message.updated": withMessage(event(chatbell.MessageUpdated), chatbell.Message{Type: chatbell.MessageText, Text: "Hi"}),
		"message.deleted": withMessage(event(chatbell.MessageDeleted), chatbell.Message{Type: chatbell.MessageText}),
		"user.updated":    user, "order.shipped": custom, "message.flagged": flagged,
	}
}

func TestRawEventBody(t *testing.T) {
	for name, e := range events() {
		t.Run(name, func(t *testing.T) {
			body, err := webhooks.RawEventBody(e)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "raw-"+name, body)
		})
	}
	if _, err := webhooks.RawEventBody(nil); err == nil {
		t.Error("no event is accepted")
	}
}

func notification(e *chatbell.Event) *webhooks.PushNotification {
	return &webhooks.PushNotification{
		ID: "call-1", Network: "acme", Event: e, SentTime: time.Date(2026, 11, 20, 10, 0, 1, 0, time.UTC),
		Text:    chatbell.Text{Locale: "en", Title: "Alice (General)", Body: "Hi <all>"},
		Targets: []chatbell.UserID{"bob", "carol"}, Page: 2, Pages: 3,
	}
}

func TestPushNotificationBody(t *testing.T) {
	all := events()
	for _, name := range []string{"channel.created", "channel.joined", "message.created", "order.shipped"} {
		t.Run(name, func(t *testing.T) {
			n := notification(all[name])
			if name == "channel.joined" {
				n.SubjectID = "erin"
			}
			body, err := webhooks.PushNotificationBody(n)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "push-"+name, body)
		})
	}
	t.Run("summary of several who joined, nothing else said", func(t *testing.T) {
		n := notification(all["channel.joined"])
		n.Targets, n.Page, n.Pages, n.Silent = nil, 0, 0, true
		body, err := webhooks.PushNotificationBody(n)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "push-channel.joined-summary", body)
	})
}

func TestPushNotificationBodyBounds(t *testing.T) {
	n := notification(event(chatbell.MessageCreated))
	n.Targets = nil
	for i := range webhooks.MaxTargets {
		n.Targets = append(n.Targets, chatbell.UserID(fmt.Sprint("user-", i)))
	}
	if _, err := webhooks.PushNotificationBody(n); err != nil {
		t.Errorf("%d targets: %v", len(n.Targets), err)
	}
	n.Targets = append(n.Targets, "one too many")
	if _, err := webhooks.PushNotificationBody(n); err == nil {
		t.Errorf("%d targets are accepted", len(n.Targets))
	}
	if _, err := webhooks.PushNotificationBody(&webhooks.PushNotification{}); err == nil {
		t.Error("no event is accepted")
	}
}

func TestWants(t *testing.T) {
	tests := []struct {
		events    string
		typ       chatbell.EventType
		push, raw bool
	}{
		{"*", chatbell.MessageCreated, true, true},
		{"push-notification.created", chatbell.MessageCreated, true, false},
		{"message.created", chatbell.MessageCreated, true, false},
		{"message.didCreate", chatbell.MessageCreated, false, true},
		{"message.didCreate", chatbell.MessageUpdated, false, false},
		{"channel.created", chatbell.MessageCreated, false, false},
		{"order.shipped", "order.shipped", true, true},
		{"", chatbell.MessageCreated, false, false},
	}
	for _, tt := range tests {
		if got := webhooks.WantsPush([]string{"else", tt.events}, tt.typ); got != tt.push {
			t.Errorf("WantsPush(%q, %s) = %t", tt.events, tt.typ, got)
		}
		if got := webhooks.WantsRaw([]string{"else", tt.events}, event(tt.typ)); got != tt.raw {
			t.Errorf("WantsRaw(%q, %s) = %t", tt.events, tt.typ, got)
		}
	}
}

// Who is added or removed by somebody else is that event at Amity, and no other.
func TestWantsWhoDidIt(t *testing.T) {
	for name, want := range map[string][2]bool{
		"channel.didJoin": {true, false}, "channel.didAddUsers": {false, true}, "channel.didLeave": {false, false}, "*": {true, true},
	} {
		own, added := event(chatbell.ChannelJoined), event(chatbell.ChannelJoined)
		own.Members, added.Members = []chatbell.Person{own.Actor}, people("dave")
		if got := [2]bool{webhooks.WantsRaw([]string{name}, own), webhooks.WantsRaw([]string{name}, added)}; got != want {
			t.Errorf("%s: wants %v, want %v", name, got, want)
		}
	}
	nobody := event(chatbell.ChannelLeft)
	nobody.Actor, nobody.Members = chatbell.Person{}, people("dave")
	if got := webhooks.RawEventName(nobody); got != "channel.didLeave" {
		t.Errorf("somebody whom nobody removed: %s", got)
	}
}
