package rules_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/rules"
)

// row is one row of the table in docs/precedence.md.
type row struct {
	line   int
	rank   int // its place in the order; 0 for examples
	tokens []string
	want   rules.Decision
}

// TestPrecedence plays every row of the documented table.
func TestPrecedence(t *testing.T) {
	here := time.Local // which must not count
	time.Local = time.FixedZone("server", 5*60*60)
	t.Cleanup(func() { time.Local = here })
	for _, r := range readTable(t) {
		if slices.Equal(r.tokens, []string{"later"}) {
			continue // not Decide's to give; TestOrder checks its place
		}
		t.Run(fmt.Sprintf("line %d %s", r.line, strings.Join(r.tokens, " ")), func(t *testing.T) {
			if diff := cmp.Diff(r.want, decide(t, r.tokens)); diff != "" {
				t.Errorf("docs/precedence.md line %d (-documented +decided)\n%s", r.line, diff)
			}
		})
	}
}

// TestOrder compares the numbered rows with Precedence, and plays each two of them
// together: the one further up must win.
func TestOrder(t *testing.T) {
	var ranked []row
	for _, r := range readTable(t) {
		if r.rank > 0 {
			ranked = append(ranked, r)
		}
	}
	var documented []rules.Decision
	for i, r := range ranked {
		if r.rank != i+1 {
			t.Errorf("line %d: number %d, want %d", r.line, r.rank, i+1)
		}
		documented = append(documented, r.want)
	}
	if diff := cmp.Diff(rules.Precedence(), documented); diff != "" {
		t.Errorf("order of the table (-rules.Precedence +documented)\n%s", diff)
	}
	pairs := 0
	for i, first := range ranked {
		for _, second := range ranked[i+1:] {
			if second.tokens[0] == "later" || conflict(first.tokens, second.tokens) {
				continue
			}
			pairs++
			both := slices.Concat(second.tokens, first.tokens)
			if got := decide(t, both); got != first.want {
				t.Errorf("%v: decided %+v, want %+v", both, got, first.want)
			}
		}
	}
	if pairs < 150 {
		t.Errorf("only %d pairs were played", pairs)
	}
}

// conflict reports whether two situations set the same thing to different values.
func conflict(a, b []string) bool {
	for _, x := range a {
		key, _, ok := strings.Cut(x, "=")
		for _, y := range b {
			if ok && strings.HasPrefix(y, key+"=") {
				return true
			}
		}
	}
	return false
}

func readTable(t *testing.T) []row {
	t.Helper()
	page, err := os.ReadFile("../docs/precedence.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	for i, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 7 || strings.HasPrefix(line, "| #") || strings.HasPrefix(line, "|--") {
			if strings.HasPrefix(line, "|") && len(cells) != 7 {
				t.Fatalf("docs/precedence.md line %d has %d columns, want 5", i+1, len(cells)-2)
			}
			continue
		}
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		r := row{line: i + 1, want: rules.Decision{Level: chatbell.Level(cells[3]), Reason: chatbell.Reason(strings.Trim(cells[4], "`"))}}
		r.want.Notify = r.want.Reason == ""
		if cells[1] != "–" {
			if r.rank, err = strconv.Atoi(cells[1]); err != nil {
				t.Fatalf("docs/precedence.md line %d: number: %v", i+1, err)
			}
		}
		for token := range strings.FieldsSeq(cells[2]) {
			bare := strings.Trim(token, "`")
			if "`"+bare+"`" != token {
				t.Fatalf("docs/precedence.md line %d: %s is not between backquotes", i+1, token)
			}
			r.tokens = append(r.tokens, bare)
		}
		rows = append(rows, r)
	}
	if len(rows) < 70 {
		t.Fatalf("the table has only %d rows", len(rows))
	}
	return rows
}

// situation is what the tokens of a row build up.
type situation struct {
	event   chatbell.Event
	ctx     rules.Context
	bob     chatbell.Recipient
	user    chatbell.UserSettings
	channel chatbell.ChannelSettings
}

func decide(t *testing.T, tokens []string) rules.Decision {
	t.Helper()
	s := &situation{
		event: chatbell.Event{
			ID: "e1", Type: chatbell.MessageCreated,
			Actor:   chatbell.Person{ID: "alice", Roles: []string{"member"}},
			Channel: chatbell.ChannelRef{ID: "general"},
			Message: &chatbell.Message{ID: "m1", Type: chatbell.MessageText, Text: "hi", Mentions: []chatbell.UserID{"carol"}},
		},
		bob: chatbell.Recipient{User: chatbell.User{ID: "bob"}, Member: true},
		ctx: rules.Context{
			Rule: rules.Rule{Module: chatbell.ModuleChat},
			Now:  time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
		},
	}
	for _, token := range tokens {
		if err := s.apply(token); err != nil {
			t.Fatalf("situation %q: %v", token, err)
		}
	}
	s.ctx.Event = &s.event
	s.bob.Settings, s.bob.ChannelSettings = &s.user, &s.channel
	return rules.Decide(&s.ctx, &s.bob)
}

func (s *situation) apply(token string) error {
	key, value, _ := strings.Cut(token, "=")
	if level, rest, ok := strings.Cut(key, "."); ok {
		toggles := map[string]*chatbell.Toggles{"network": &s.ctx.Network, "user": &s.user.Toggles, "channel": &s.channel.Toggles}[level]
		if toggles != nil && toggle(toggles, rest, value, s.event.Type) {
			return nil
		}
	}
	switch key {
	case "actor":
		s.bob.User.ID = s.event.Actor.ID
	case "not-member":
		s.bob.Member = false
	case "mentioned":
		s.event.Message.Mentions = append(s.event.Message.Mentions, s.bob.User.ID)
	case "mentioned-all":
		s.event.Message.MentionsChannel = true
	case "channel-type":
		s.event.Channel.Type = value
	case "message":
		s.event.Message.Type = chatbell.MessageType(value)
	case "listed":
		s.event.Members = append(s.event.Members, chatbell.Person{ID: s.bob.User.ID})
	case "type":
		s.event.Type, s.event.Message = chatbell.EventType(value), nil
	case "mode":
		s.ctx.Channel.NotificationMode = chatbell.NotificationMode(value)
	case "rule.module":
		s.ctx.Rule.Module = chatbell.Module(value)
	case "actor.roles":
		s.event.Actor.Roles = list(value)
	case "roles":
		s.bob.User.Roles = list(value)
	case "timezone":
		s.bob.User.Timezone = value
	case "device.timezone":
		n := len(s.bob.Devices)
		s.bob.Devices = append(s.bob.Devices, chatbell.Device{Timezone: value, RegisteredAt: time.Unix(int64(n), 0)})
	default:
		return s.applyTimes(key, value)
	}
	return nil
}

func (s *situation) applyTimes(key, value string) (err error) {
	switch key {
	case "now":
		s.ctx.Now, err = time.Parse(time.RFC3339, value)
	case "user.snooze":
		s.user.SnoozeUntil, err = time.Parse(time.RFC3339, value)
	case "user.quiet":
		span, zone, _ := strings.Cut(value, "@")
		from, to, _ := strings.Cut(span, "-")
		s.user.QuietHours = &chatbell.QuietHours{From: from, To: to, Timezone: zone}
	case "channel.mentions_only":
		s.channel.MentionsOnly, err = strconv.ParseBool(value)
	default:
		err = fmt.Errorf("unknown word")
	}
	return err
}

// toggle applies what is the same at every level, and reports whether it was that.
func toggle(t *chatbell.Toggles, key, value string, event chatbell.EventType) bool {
	var on *bool
	if value != "null" {
		b := value == "true"
		on = &b
	}
	kind, name, _ := strings.Cut(key, ".")
	switch {
	case key == "enabled":
		t.Enabled = on
	case kind == "module":
		t.Modules = append(t.Modules, chatbell.ModuleToggle{Name: chatbell.Module(or(name, "chat")), Enabled: on})
	case kind == "event":
		t.Events = append(t.Events, chatbell.EventToggle{Name: chatbell.EventType(or(name, string(event))), Enabled: on})
	case kind == "event-roles":
		way, of, _ := strings.Cut(name, ".")
		entry := chatbell.EventToggle{Name: chatbell.EventType(or(of, string(event)))}
		if way == "include" {
			entry.Roles.Include = list(value)
		} else {
			entry.Roles.Exclude = list(value)
		}
		t.Events = append(t.Events, entry)
	case key == "roles.include":
		t.Modules = append(t.Modules, chatbell.ModuleToggle{Name: "chat", Roles: chatbell.RoleFilter{Include: list(value)}})
	case key == "roles.exclude":
		t.Modules = append(t.Modules, chatbell.ModuleToggle{Name: "chat", Roles: chatbell.RoleFilter{Exclude: list(value)}})
	default:
		return false
	}
	return true
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
