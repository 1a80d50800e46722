package rules

import (
	"slices"
	"time"

	"chatbell"
)

// Context is what all people of one trigger share.
type Context struct {
	Event   *chatbell.Event
	Rule    Rule
	Network chatbell.Toggles
	Channel chatbell.Channel
	Now     time.Time
}

// Decision is the answer for one person. Level and Reason are empty when Notify is
// true.
type Decision struct {
	Notify bool
	Level  chatbell.Level
	Reason chatbell.Reason
}

// Decide answers whether one person is told. When several reasons speak against it,
// the first in the order of docs/precedence.md is given: the actor, membership, then
// the levels network, user, channel. A lower level never switches on what a higher
// one switched off. Whether the person has a device is not known here.
func Decide(c *Context, r *chatbell.Recipient) Decision {
	if reason := identity(c, r); reason != "" {
		return Decision{Reason: reason}
	}
	if reason := c.toggles(&c.Network, chatbell.NetworkOff); reason != "" {
		return Decision{Level: chatbell.LevelNetwork, Reason: reason}
	}
	if reason := c.user(r); reason != "" {
		return Decision{Level: chatbell.LevelUser, Reason: reason}
	}
	if reason := c.channel(r); reason != "" {
		return Decision{Level: chatbell.LevelChannel, Reason: reason}
	}
	return Decision{Notify: true}
}

// identity looks at who the person is, before any toggle.
func identity(c *Context, r *chatbell.Recipient) chatbell.Reason {
	switch {
	case r.User.ID == c.Event.Actor.ID:
		return chatbell.Self
	case !r.Member:
		return chatbell.NotAMember
	}
	return ""
}

// toggles looks at one level's switches; off is what its main switch is called.
func (c *Context) toggles(t *chatbell.Toggles, off chatbell.Reason) chatbell.Reason {
	if isOff(t.Enabled) {
		return off
	}
	module := c.module(t)
	switch {
	case module != nil && isOff(module.Enabled):
		return chatbell.ModuleOff
	case c.eventOff(t):
		return chatbell.EventOff
	case module != nil && !passes(module.Roles, c.Event.Actor.Roles):
		return chatbell.RoleFiltered
	}
	return ""
}

func (c *Context) user(r *chatbell.Recipient) chatbell.Reason {
	s := r.Settings
	if s == nil {
		return ""
	}
	if reason := c.toggles(&s.Toggles, chatbell.UserOff); reason != "" {
		return reason
	}
	switch {
	case c.Now.Before(s.SnoozeUntil):
		return chatbell.Snoozed
	case s.QuietHours != nil && quiet(s.QuietHours, r.User.Timezone, c.Now):
		return chatbell.InQuietHours
	}
	return ""
}

func (c *Context) channel(r *chatbell.Recipient) chatbell.Reason {
	s := r.ChannelSettings
	if s == nil {
		s = &chatbell.ChannelSettings{}
	}
	switch {
	case c.Channel.NotificationMode == chatbell.ModeSilent:
		return chatbell.ModeIsSilent
	case c.Channel.NotificationMode == chatbell.ModeSubscribe && (s.Enabled == nil || !*s.Enabled):
		return chatbell.NotSubscribed
	}
	if reason := c.toggles(&s.Toggles, chatbell.ChannelOff); reason != "" {
		return reason
	}
	if s.MentionsOnly && !mentioned(c.Event, r.User.ID) {
		return chatbell.MentionsOnly
	}
	return ""
}

// mentioned reports whether the event's message mentions the person. An event
// without a message mentions nobody.
func mentioned(e *chatbell.Event, u chatbell.UserID) bool {
	return e.Message != nil && slices.Contains(e.Message.Mentions, u)
}

func (c *Context) module(t *chatbell.Toggles) *chatbell.ModuleToggle {
	for i := range t.Modules {
		if t.Modules[i].Name == c.Rule.Module {
			return &t.Modules[i]
		}
	}
	return nil
}

func (c *Context) eventOff(t *chatbell.Toggles) bool {
	for i := range t.Events {
		if t.Events[i].Name == c.Event.Type {
			return isOff(t.Events[i].Enabled)
		}
	}
	return false
}

// passes looks at the roles of the event's actor.
func passes(f chatbell.RoleFilter, roles []string) bool {
	has := func(role string) bool { return slices.Contains(roles, role) }
	if slices.ContainsFunc(f.Exclude, has) {
		return false
	}
	return len(f.Include) == 0 || slices.ContainsFunc(f.Include, has)
}

func isOff(b *bool) bool { return b != nil && !*b }

// quiet reports whether now is within the quiet hours, on the clock of their
// timezone, else of the user's, else UTC: a person whose zone nobody knows still
// gets eight quiet hours somewhere.
func quiet(q *chatbell.QuietHours, userZone string, now time.Time) bool {
	from, ok1 := minutes(q.From)
	to, ok2 := minutes(q.To)
	if !ok1 || !ok2 || from == to {
		return false
	}
	zone := time.UTC
	for _, name := range []string{q.Timezone, userZone} {
		if name == "" {
			continue
		}
		if loc, err := time.LoadLocation(name); err == nil {
			zone = loc
			break
		}
	}
	local := now.In(zone)
	at := local.Hour()*60 + local.Minute()
	if from < to {
		return from <= at && at < to
	}
	return at >= from || at < to
}

// minutes reads "HH:MM".
func minutes(s string) (int, bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	t, err := time.Parse("15:04", s)
	return t.Hour()*60 + t.Minute(), err == nil
}
