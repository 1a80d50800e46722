// Package rules decides, without any I/O, whom an event concerns and who of them
// wants to hear of it.
//
// A [Ruleset] turns an event into triggers: which rule, about whom, spoken to which
// audience. [Decide] then answers for one person, with exactly one reason of the
// closed list and the level that decided. The order in which reasons win is
// [Precedence]; docs/precedence.md explains it row by row and is also the test table.
//
// Rulesets and triggers are immutable and safe for concurrent use. Decide depends on
// nothing but its arguments (and the database of timezones); a [Context] serves one
// goroutine at a time.
package rules

import (
	"fmt"

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
	Module   chatbell.Module // empty means chat
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

// MaxRules bounds a network's own rules: each one that fires walks its audience, so
// that a thousand would turn one message into a thousand walks of the channel.
const MaxRules = 100

// Ruleset is a network's rules by event type.
type Ruleset struct{ on map[chatbell.EventType][]Rule }

// New makes the ruleset of the built-in rules and a network's own. A bad rule is a
// chatbell.FieldError whose pointer is relative to the list of extra rules.
func New(extra ...Rule) (*Ruleset, error) {
	if len(extra) > MaxRules {
		return nil, chatbell.FieldError{Detail: fmt.Sprintf("must have at most %d rules, has %d", MaxRules, len(extra))}
	}
	set := &Ruleset{on: map[chatbell.EventType][]Rule{}}
	ids := map[chatbell.RuleID]bool{}
	for _, one := range Builtin() {
		ids[one.ID] = true
		set.on[one.On] = append(set.on[one.On], one)
	}
	for i, rule := range extra {
		if rule.Module == "" {
			rule.Module = chatbell.ModuleChat
		}
		if field, detail := rule.check(); field != "" {
			return nil, chatbell.FieldError{Pointer: fmt.Sprintf("/%d/%s", i, field), Detail: detail}
		}
		if ids[rule.ID] {
			return nil, chatbell.FieldError{Pointer: fmt.Sprintf("/%d/id", i), Detail: "must differ from the ids of all other rules"}
		}
		ids[rule.ID] = true
		set.on[rule.On] = append(set.on[rule.On], rule)
	}
	return set, nil
}

// check names the first wrong field and what would be right.
func (r *Rule) check() (field, detail string) {
	const name = "must be 1 to 64 characters of a-z, 0-9, dot, underscore and hyphen"
	switch {
	case !isName(string(r.ID)):
		return "id", name
	case !isName(string(r.On)):
		return "on", name
	case !isName(string(r.Module)):
		return "module", name
	case r.Audience != Members && r.Audience != Listed && r.Audience != PriorMembers:
		return "audience", "must be members, listed or prior_members"
	case !isName(r.Template):
		return "template", name
	}
	return "", ""
}

// isName reports whether s is [a-z0-9._-]{1,64}, the form of event types.
func isName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, char := range []byte(s) {
		lower := 'a' <= char && char <= 'z'
		digit := '0' <= char && char <= '9'
		if !lower && !digit && char != '.' && char != '_' && char != '-' {
			return false
		}
	}
	return true
}
