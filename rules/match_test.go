package rules_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/rules"
)

func people(ids ...chatbell.UserID) []chatbell.Person {
	out := make([]chatbell.Person, len(ids))
	for i, id := range ids {
		out[i] = chatbell.Person{ID: id}
	}
	return out
}

func crowd(n int) []chatbell.Person {
	out := make([]chatbell.Person, n)
	for i := range out {
		out[i] = chatbell.Person{ID: chatbell.UserID(fmt.Sprintf("user-%03d", i))}
	}
	return out
}

// fired is what a test compares of a trigger.
type fired struct {
	Rule     chatbell.RuleID
	Audience rules.Audience
	Subject  string
	About    int
}

func match(t *testing.T, rs *rules.Ruleset, ev *chatbell.Event) []fired {
	t.Helper()
	var out []fired
	for _, tr := range rs.Match(ev) {
		out = append(out, fired{tr.Rule.ID, tr.Rule.Audience, tr.SubjectID, len(tr.Subjects)})
	}
	return out
}

func newRuleset(t *testing.T, extra ...rules.Rule) *rules.Ruleset {
	t.Helper()
	rs, err := rules.New(extra...)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func TestMatch(t *testing.T) {
	own := []rules.Rule{
		{ID: "call", On: "call.started", Module: "calls", Audience: rules.Members, Template: "call"},
		{ID: "left", On: chatbell.ChannelLeft, Audience: rules.Members, Template: "left"},
		{ID: "join-all", On: chatbell.ChannelJoined, Audience: rules.Members, Template: "channel.joined"},
		{ID: "profile", On: chatbell.UserUpdated, Audience: rules.Members, Template: "profile"},
		{ID: "prior", On: "call.started", Audience: rules.PriorMembers, Template: "call"},
	}
	tests := []struct {
		name  string
		extra []rules.Rule
		event chatbell.Event
		want  []fired
	}{
		{
			name:  "a message tells all members",
			event: chatbell.Event{Type: chatbell.MessageCreated, Message: &chatbell.Message{ID: "m"}},
			want:  []fired{{"message.created", rules.Members, "", 0}},
		},
		{
			name:  "a new channel tells those on its list",
			event: chatbell.Event{Type: chatbell.ChannelCreated, Members: people("a", "b")},
			want:  []fired{{"channel.created", rules.Listed, "", 0}},
		},
		{
			name:  "one joins",
			event: chatbell.Event{Type: chatbell.ChannelJoined, Members: people("a")},
			want:  []fired{{"channel.joined", rules.PriorMembers, "a", 1}},
		},
		{
			name:  "each joiner once",
			event: chatbell.Event{Type: chatbell.ChannelJoined, Members: people("b", "a", "b", "")},
			want:  []fired{{"channel.joined", rules.PriorMembers, "b", 1}, {"channel.joined", rules.PriorMembers, "a", 1}},
		},
		{
			name:  "nobody joins",
			event: chatbell.Event{Type: chatbell.ChannelJoined},
		},
		{
			name:  "21 join: one summary",
			event: chatbell.Event{Type: chatbell.ChannelJoined, Members: crowd(21)},
			want:  []fired{{"channel.joined", rules.PriorMembers, "", 21}},
		},
		{
			name:  "21 times the same one joins",
			event: chatbell.Event{Type: chatbell.ChannelJoined, Members: append(crowd(20), crowd(20)...)},
			want: func() (w []fired) {
				for _, p := range crowd(20) {
					w = append(w, fired{"channel.joined", rules.PriorMembers, string(p.ID), 1})
				}
				return w
			}(),
		},
		{name: "an edited message tells nobody", event: chatbell.Event{Type: chatbell.MessageUpdated}},
		{name: "an unknown event tells nobody", event: chatbell.Event{Type: "call.started"}},
		{
			name: "own rules come in their order", extra: own,
			event: chatbell.Event{Type: "call.started"},
			want:  []fired{{"call", rules.Members, "", 0}, {"prior", rules.PriorMembers, "", 0}},
		},
		{
			name: "own rule for who left", extra: own,
			event: chatbell.Event{Type: chatbell.ChannelLeft, Members: people("a", "b")},
			want:  []fired{{"left", rules.Members, "a", 1}, {"left", rules.Members, "b", 1}},
		},
		{
			name: "own rule beside a built-in one", extra: own,
			event: chatbell.Event{Type: chatbell.ChannelJoined, Members: people("a")},
			want:  []fired{{"channel.joined", rules.PriorMembers, "a", 1}, {"join-all", rules.Members, "a", 1}},
		},
		{
			name: "own rule about a user", extra: own,
			event: chatbell.Event{Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "a"}},
			want:  []fired{{"profile", rules.Members, "", 1}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, match(t, newRuleset(t, tt.extra...), &tt.event)); diff != "" {
				t.Errorf("triggers (-want +got)\n%s", diff)
			}
		})
	}
}

// TestExcludes: whoever joins by an event is told about none of its joiners, not even
// about another.
func TestExcludes(t *testing.T) {
	rs := newRuleset(t, rules.Rule{ID: "join-all", On: chatbell.ChannelJoined, Audience: rules.Members, Template: "channel.joined"})
	for _, n := range []int{2, 20, 21, 1000} {
		for _, tr := range rs.Match(&chatbell.Event{Type: chatbell.ChannelJoined, Members: crowd(n)}) {
			prior := tr.Rule.Audience == rules.PriorMembers
			for _, p := range crowd(n) {
				if tr.Excludes(p.ID) != prior {
					t.Fatalf("%d joined, rule %s, about %q: Excludes(%s) = %v", n, tr.Rule.ID, tr.SubjectID, p.ID, !prior)
				}
			}
			if tr.Excludes("bob") {
				t.Fatalf("%d joined: bob was there before", n)
			}
		}
	}
	for _, tr := range rs.Match(&chatbell.Event{Type: chatbell.ChannelCreated, Members: people("a")}) {
		if tr.Excludes("a") {
			t.Error("the list of a new channel is its audience")
		}
	}
}

// TestBuiltin holds the three triggers to Amity's.
func TestBuiltin(t *testing.T) {
	want := []rules.Rule{
		{ID: "channel.created", On: "channel.created", Module: "chat", Audience: "listed", Template: "channel.created"},
		{ID: "channel.joined", On: "channel.joined", Module: "chat", Audience: "prior_members", Template: "channel.joined"},
		{ID: "message.created", On: "message.created", Module: "chat", Audience: "members", Template: "message"},
	}
	if diff := cmp.Diff(want, rules.Builtin()); diff != "" {
		t.Errorf("built-in rules (-want +got)\n%s", diff)
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{0, 10, rules.MaxRules} {
		extra := make([]rules.Rule, n)
		for i := range extra {
			extra[i] = rules.Rule{ID: chatbell.RuleID(fmt.Sprintf("r%d", i)), On: chatbell.EventType(fmt.Sprintf("own.%d", i)), Audience: rules.Members, Template: "x"}
		}
		rs, err := rules.New(extra...)
		if err != nil {
			b.Fatal(err)
		}
		ev := &chatbell.Event{Type: chatbell.MessageCreated}
		b.Run(fmt.Sprintf("rules=%d", n+3), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rs.Match(ev)
			}
		})
	}
}
