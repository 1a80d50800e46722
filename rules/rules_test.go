package rules_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/rules"
)

func TestNewRefuses(t *testing.T) {
	good := func(change func(*rules.Rule)) []rules.Rule {
		r := rules.Rule{ID: "own", On: "call.started", Audience: rules.Members, Template: "call"}
		change(&r)
		return []rules.Rule{{ID: "first", On: "call.ended", Audience: rules.Listed, Template: "call"}, r}
	}
	tests := []struct {
		name  string
		rules []rules.Rule
		want  string // pointer
	}{
		{"no id", good(func(r *rules.Rule) { r.ID = "" }), "/1/id"},
		{"long id", good(func(r *rules.Rule) { r.ID = chatbell.RuleID(strings.Repeat("a", 65)) }), "/1/id"},
		{"upper case id", good(func(r *rules.Rule) { r.ID = "Own" }), "/1/id"},
		{"id of another", good(func(r *rules.Rule) { r.ID = "first" }), "/1/id"},
		{"id of a built-in rule", good(func(r *rules.Rule) { r.ID = "message.created" }), "/1/id"},
		{"no event", good(func(r *rules.Rule) { r.On = "" }), "/1/on"},
		{"blank in event", good(func(r *rules.Rule) { r.On = "call started" }), "/1/on"},
		{"letter in event", good(func(r *rules.Rule) { r.On = "anrüf" }), "/1/on"},
		{"module", good(func(r *rules.Rule) { r.Module = "no module" }), "/1/module"},
		{"no audience", good(func(r *rules.Rule) { r.Audience = "" }), "/1/audience"},
		{"unknown audience", good(func(r *rules.Rule) { r.Audience = "everybody" }), "/1/audience"},
		{"no template", good(func(r *rules.Rule) { r.Template = "" }), "/1/template"},
		{"newline at the end", good(func(r *rules.Rule) { r.Template = "call\n" }), "/1/template"},
		{"too many", make([]rules.Rule, rules.MaxRules+1), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := rules.New(tt.rules...)
			var field chatbell.FieldError
			if !errors.As(err, &field) {
				t.Fatalf("New = %v, want a FieldError", err)
			}
			if field.Pointer != tt.want || field.Detail == "" {
				t.Errorf("New = %v, want the pointer %q", err, tt.want)
			}
		})
	}
}

func TestNewFillsTheModuleIn(t *testing.T) {
	rs := newRuleset(t, rules.Rule{ID: "own", On: "call.started", Audience: rules.Members, Template: "call"})
	want := rules.Rule{ID: "own", On: "call.started", Module: chatbell.ModuleChat, Audience: rules.Members, Template: "call"}
	if diff := cmp.Diff(want, rs.Match(&chatbell.Event{Type: "call.started"})[0].Rule); diff != "" {
		t.Errorf("rule (-want +got)\n%s", diff)
	}
}

// FuzzNew: whatever rule a network writes, New takes it and it fires, or the error
// points at one of its fields.
func FuzzNew(f *testing.F) {
	f.Add("own", "call.started", "chat", "members", "call")
	f.Add("message.created", "message.created", "", "listed", "message")
	f.Add("", "\x00", "ÄÖ", "prior_members", strings.Repeat("x", 65))
	pointer := regexp.MustCompile(`^/0/(id|on|module|audience|template)$`)
	f.Fuzz(func(t *testing.T, id, on, module, audience, template string) {
		r := rules.Rule{ID: chatbell.RuleID(id), On: chatbell.EventType(on), Module: chatbell.Module(module), Audience: rules.Audience(audience), Template: template}
		rs, err := rules.New(r)
		if err != nil {
			var field chatbell.FieldError
			if !errors.As(err, &field) || !pointer.MatchString(field.Pointer) || field.Detail == "" {
				t.Fatalf("New(%+v) = %v, want a FieldError with a pointer", r, err)
			}
			return
		}
		triggers := rs.Match(&chatbell.Event{Type: r.On, Members: people("a")})
		if len(triggers) == 0 || triggers[len(triggers)-1].Rule.ID != r.ID {
			t.Fatalf("New(%+v) took a rule that does not fire: %+v", r, triggers)
		}
		if _, err := rules.New(r, r); err == nil {
			t.Fatalf("New took two rules with the id %q", id)
		}
	})
}

func ExampleRuleset_Match() {
	rs, err := rules.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	joined := chatbell.Event{
		Type:    chatbell.ChannelJoined,
		Actor:   chatbell.Person{ID: "alice"},
		Members: []chatbell.Person{{ID: "dave"}, {ID: "erin"}},
	}
	for _, t := range rs.Match(&joined) {
		fmt.Println(t.Rule.Audience, "hear of", t.SubjectID, "but not erin herself:", t.Excludes("erin"))
	}
	// Output:
	// prior_members hear of dave but not erin herself: true
	// prior_members hear of erin but not erin herself: true
}
