// Package rules decides, without any I/O, whom an event concerns and who of them
// wants to hear of it.
//
// A [Ruleset] turns an event into triggers: which rule, about whom, spoken to which
// audience. [Decide] then answers for one person, with exactly one reason of the
// closed list and the level that decided. The order in which reasons win is the
// table in docs/precedence.md, which is also the test table.
//
// Rulesets are immutable and safe for concurrent use; Decide is a pure function.
package rules

import (
	"fmt"
	"regexp"

	"chatbell"
)

// Audience is whom a rule speaks to.
type Audience string

// The audiences.
const (
	// Members are all members of the event's channel.
	Members Audience = "members"
	// Listed are the people in the event's list of members.
	Listed Audience = "listed"
	// PriorMembers are those who were members before the event.
	PriorMembers Audience = "prior_members"
)

// Rule says which event notifies whom, with which template.
type Rule struct {
	ID       chatbell.RuleID
	On       chatbell.EventType
	Module   chatbell.Module
	Audience Audience
	Template string
}

// Builtin are the three triggers that every network has, those of Amity's chat push.
func Builtin() []Rule {
	return []Rule{
		{ID: "channel.created", On: chatbell.ChannelCreated, Module: chatbell.ModuleChat, Audience: Listed, Template: "channel.created"},
		{ID: "channel.joined", On: chatbell.ChannelJoined, Module: chatbell.ModuleChat, Audience: PriorMembers, Template: "channel.joined"},
		{ID: "message.created", On: chatbell.MessageCreated, Module: chatbell.ModuleChat, Audience: Members, Template: "message"},
	}
}

// Ruleset is a network's rules by event type.
type Ruleset struct{ on map[chatbell.EventType][]Rule }

var (
	ruleName  = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
	eventName = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
)

// New makes the ruleset of the built-in rules and a network's own. A bad rule is a
// chatbell.FieldError whose pointer is relative to the list of extra rules.
func New(extra ...Rule) (*Ruleset, error) {
	rs := &Ruleset{on: map[chatbell.EventType][]Rule{}}
	ids := map[chatbell.RuleID]bool{}
	for _, r := range Builtin() {
		ids[r.ID] = true
		rs.on[r.On] = append(rs.on[r.On], r)
	}
	for i, r := range extra {
		if r.Module == "" {
			r.Module = chatbell.ModuleChat
		}
		if field, detail := r.check(); field != "" {
			return nil, chatbell.FieldError{Pointer: fmt.Sprintf("/%d/%s", i, field), Detail: detail}
		}
		if ids[r.ID] {
			return nil, chatbell.FieldError{Pointer: fmt.Sprintf("/%d/id", i), Detail: "must differ from the ids of all other rules"}
		}
		ids[r.ID] = true
		rs.on[r.On] = append(rs.on[r.On], r)
	}
	return rs, nil
}

// check names the first wrong field and what would be right.
func (r *Rule) check() (field, detail string) {
	const name = "must be 1 to 64 characters of a-z, 0-9, dot, underscore and hyphen"
	switch {
	case !ruleName.MatchString(string(r.ID)):
		return "id", name
	case !eventName.MatchString(string(r.On)):
		return "on", name
	case !ruleName.MatchString(string(r.Module)):
		return "module", name
	case r.Audience != Members && r.Audience != Listed && r.Audience != PriorMembers:
		return "audience", "must be members, listed or prior_members"
	case r.Template == "":
		return "template", "must name a template"
	}
	return "", ""
}

// Trigger is one rule that an event set off, about one subject.
type Trigger struct {
	Rule Rule
	// SubjectID is whom it is about where one event is about several; else empty.
	SubjectID string
	// Subjects are the people it is about.
	Subjects []chatbell.Person
	// joined are all who joined by the event, whoever this trigger is about.
	joined []chatbell.Person
}

// maxJoiners is above how many joiners one summary is sent instead of one
// notification for each.
const maxJoiners = 20

// Match returns the event's triggers, in the order of the rules.
func (rs *Ruleset) Match(ev *chatbell.Event) []Trigger {
	var out []Trigger
	for _, r := range rs.on[ev.Type] {
		if r.Audience != PriorMembers || len(ev.Members) == 0 {
			out = append(out, Trigger{Rule: r, Subjects: subjects(ev)})
			continue
		}
		joined := unique(ev.Members)
		if len(joined) > maxJoiners {
			out = append(out, Trigger{Rule: r, Subjects: joined, joined: joined})
			continue
		}
		for i := range joined {
			out = append(out, Trigger{Rule: r, SubjectID: string(joined[i].ID), Subjects: joined[i : i+1], joined: joined})
		}
	}
	return out
}

// subjects are the people an event is about when its rule speaks to others than
// those who were there before.
func subjects(ev *chatbell.Event) []chatbell.Person {
	if ev.User != nil {
		return []chatbell.Person{*ev.User}
	}
	return nil
}

// unique keeps the first mention of each person.
func unique(people []chatbell.Person) []chatbell.Person {
	seen := make(map[chatbell.UserID]bool, len(people))
	out := make([]chatbell.Person, 0, len(people))
	for _, p := range people {
		if !seen[p.ID] {
			seen[p.ID] = true
			out = append(out, p)
		}
	}
	return out
}

// Excludes reports whether a person is no part of the trigger's audience because
// they joined by the event itself.
func (t *Trigger) Excludes(u chatbell.UserID) bool {
	for i := range t.joined {
		if t.joined[i].ID == u {
			return true
		}
	}
	return false
}
