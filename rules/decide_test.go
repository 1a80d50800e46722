package rules_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chatbell"
	"chatbell/rules"
)

// TestPrecedenceUsesTheClosedLists: nothing is given that the records cannot hold.
func TestPrecedenceUsesTheClosedLists(t *testing.T) {
	seen := map[rules.Decision]bool{}
	for _, d := range rules.Precedence() {
		if d.Notify || !slices.Contains(chatbell.Reasons, d.Reason) {
			t.Errorf("%+v is no reason of the closed list", d)
		}
		if d.Level != "" && !slices.Contains(chatbell.Levels[:], d.Level) {
			t.Errorf("%+v has no level of the closed list", d)
		}
		if seen[d] {
			t.Errorf("%+v is listed twice", d)
		}
		seen[d] = true
	}
}

// FuzzDecide: whatever somebody stored as settings, there is one answer, and it is
// yes or one of Precedence.
func FuzzDecide(f *testing.F) {
	f.Add("22:00", "07:00", "Europe/Berlin", "Asia/Tokyo", "silent", "message.created", uint16(0), int64(1_795_000_000))
	f.Add("", "99:99", "../../etc/passwd", "Local", "", "", uint16(0xffff), int64(-1<<40))
	f.Add("00:00", "00:01", "UTC", "\x00", "subscribe", "channel.joined", uint16(0x0aaa), int64(1<<40))
	f.Fuzz(func(t *testing.T, from, to, zone, userZone, mode, event string, bits uint16, now int64) {
		b := func(i int) *bool {
			v := bits>>i&1 == 1
			if bits>>(i+1)&1 == 1 {
				return nil
			}
			return &v
		}
		toggles := func(i int) chatbell.Toggles {
			return chatbell.Toggles{
				Enabled: b(i),
				Modules: []chatbell.ModuleToggle{{Name: "chat", Enabled: b(i + 1), Roles: chatbell.RoleFilter{Exclude: []string{zone}}}},
				Events:  []chatbell.EventToggle{{Name: chatbell.EventType(event), Enabled: b(i + 2)}},
			}
		}
		c := rules.Context{
			Event:   &chatbell.Event{Type: chatbell.EventType(event), Actor: chatbell.Person{ID: chatbell.UserID(userZone), Roles: []string{from}}},
			Network: toggles(0),
			Channel: chatbell.Channel{NotificationMode: chatbell.NotificationMode(mode)},
			Now:     time.Unix(now, 0),
		}
		r := chatbell.Recipient{
			User: chatbell.User{ID: "bob", Timezone: userZone}, Member: bits&1 == 0,
			Settings:        &chatbell.UserSettings{Toggles: toggles(4), QuietHours: &chatbell.QuietHours{From: from, To: to, Timezone: zone}},
			ChannelSettings: &chatbell.ChannelSettings{Toggles: toggles(8), MentionsOnly: bits>>12&1 == 1},
			Devices:         []chatbell.Device{{Timezone: mode}},
		}
		got := rules.Decide(&c, &r)
		if again := rules.Decide(&c, &r); again != got {
			t.Fatalf("decided %+v, then %+v", got, again)
		}
		if got != (rules.Decision{Notify: true}) && !slices.Contains(rules.Precedence(), got) {
			t.Fatalf("decided %+v, which is neither yes nor in the order", got)
		}
	})
}

func ExampleDecide() {
	off := false
	message := chatbell.Event{Type: chatbell.MessageCreated, Actor: chatbell.Person{ID: "alice"}}
	c := rules.Context{Event: &message, Rule: rules.Builtin()[2], Now: time.Now()}

	for _, r := range []chatbell.Recipient{
		{User: chatbell.User{ID: "alice"}, Member: true},
		{User: chatbell.User{ID: "bob"}, Member: true},
		{User: chatbell.User{ID: "carol"}, Member: true, Settings: &chatbell.UserSettings{Toggles: chatbell.Toggles{Enabled: &off}}},
	} {
		d := rules.Decide(&c, &r)
		fmt.Printf("%s: %v %q %q\n", r.User.ID, d.Notify, d.Level, d.Reason)
	}
	// Output:
	// alice: false "" "self"
	// bob: true "" ""
	// carol: false "user" "user_off"
}

func BenchmarkDecide(b *testing.B) {
	c := rules.Context{
		Event: &chatbell.Event{Type: chatbell.MessageCreated, Actor: chatbell.Person{ID: "alice"}, Message: &chatbell.Message{}},
		Rule:  rules.Builtin()[2], Now: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
	}
	plain := chatbell.Recipient{User: chatbell.User{ID: "bob"}, Member: true}
	quiet := chatbell.Recipient{
		User: chatbell.User{ID: "bob", Timezone: "Europe/Berlin"}, Member: true,
		Settings: &chatbell.UserSettings{QuietHours: &chatbell.QuietHours{From: "22:00", To: "07:00"}},
	}
	for name, r := range map[string]*chatbell.Recipient{"plain": &plain, "quiet": &quiet} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rules.Decide(&c, r)
			}
		})
	}
}
