package rules

import (
	"cmp"
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

	// zones remembers the timezones that were looked up: reading one takes longer
	// than all the rest of a decision, and the people of a page share a few.
	zones map[string]*time.Location
	// names remembers what the event is called: for whom it does not mention, and for
	// whom it does.
	names [2][]chatbell.EventType
}

// Decision is the answer for one person. Level and Reason are empty when Notify is
// true.
type Decision struct {
	Notify bool
	Level  chatbell.Level
	Reason chatbell.Reason
}

// Decide answers whether one person is told. When several reasons speak against it,
// the first in the order of [Precedence] is given: the actor, membership, then the
// levels network, user, channel. A lower level never switches on what a higher one
// switched off. Whether the person has a device is not looked at here.
func Decide(context *Context, r *chatbell.Recipient) Decision {
	if reason := identity(context, r); reason != "" {
		return Decision{Reason: reason}
	}
	if reason := context.toggles(&context.Network, r, chatbell.NetworkOff); reason != "" {
		return Decision{Level: chatbell.LevelNetwork, Reason: reason}
	}
	if reason := context.user(r); reason != "" {
		return Decision{Level: chatbell.LevelUser, Reason: reason}
	}
	if reason := context.channel(r); reason != "" {
		return Decision{Level: chatbell.LevelChannel, Reason: reason}
	}
	if Unreachable(r.User.Roles) != "" {
		return Decision{Level: chatbell.LevelDevice, Reason: chatbell.NoDevice}
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
func (c *Context) toggles(t *chatbell.Toggles, r *chatbell.Recipient, off chatbell.Reason) chatbell.Reason {
	switch {
	case isOff(t.Enabled):
		return off
	case c.moduleOff(t):
		return chatbell.ModuleOff
	case len(t.Events) > 0 && c.eventOff(t, r):
		return chatbell.EventOff
	case c.roleFiltered(t), len(t.Events) > 0 && c.eventFiltered(t, r):
		return chatbell.RoleFiltered
	}
	return ""
}

func (c *Context) user(r *chatbell.Recipient) chatbell.Reason {
	settings := r.Settings
	if settings == nil {
		return ""
	}
	if reason := c.toggles(&settings.Toggles, r, chatbell.UserOff); reason != "" {
		return reason
	}
	switch {
	case c.Now.Before(settings.SnoozeUntil):
		return chatbell.Snoozed
	case settings.QuietHours != nil && c.quiet(settings.QuietHours, r):
		return chatbell.InQuietHours
	}
	return ""
}

func (c *Context) channel(r *chatbell.Recipient) chatbell.Reason {
	settings := r.ChannelSettings
	if settings == nil {
		settings = &chatbell.ChannelSettings{}
	}
	switch {
	case c.Channel.NotificationMode == chatbell.ModeSilent:
		return chatbell.ModeIsSilent
	case c.Channel.NotificationMode == chatbell.ModeSubscribe && (settings.Enabled == nil || !*settings.Enabled):
		return chatbell.NotSubscribed
	}
	if reason := c.toggles(&settings.Toggles, r, chatbell.ChannelOff); reason != "" {
		return reason
	}
	if settings.MentionsOnly && !mentioned(c.Event, r.User.ID) {
		return chatbell.MentionsOnly
	}
	return ""
}

// mentioned reports whether the event's message mentions the person. An event
// without a message mentions nobody.
func mentioned(e *chatbell.Event, u chatbell.UserID) bool {
	return e.Message != nil && (e.Message.MentionsChannel || slices.Contains(e.Message.Mentions, u))
}

// moduleOff and roleFiltered look at every entry of their list: where two have the same
// name, an off counts whatever the other says.
func (c *Context) moduleOff(t *chatbell.Toggles) bool {
	for i := range t.Modules {
		if t.Modules[i].Name == c.module() && isOff(t.Modules[i].Enabled) {
			return true
		}
	}
	return false
}

func (c *Context) roleFiltered(t *chatbell.Toggles) bool {
	for i := range t.Modules {
		if t.Modules[i].Name == c.module() && !passes(t.Modules[i].Roles, c.Event.Actor.Roles) {
			return true
		}
	}
	return false
}

func (c *Context) module() chatbell.Module { return cmp.Or(c.Rule.Module, chatbell.ModuleChat) }

// passes looks at the roles of the event's actor, never at the receiver's.
func passes(f chatbell.RoleFilter, roles []string) bool {
	has := func(role string) bool { return slices.Contains(roles, role) }
	if slices.ContainsFunc(f.Exclude, has) {
		return false
	}
	return len(f.Include) == 0 || slices.ContainsFunc(f.Include, has)
}

// NeedRoles reports whether the decisions about some people look at the roles of the
// event's actor.
func NeedRoles(network *chatbell.Toggles, people []chatbell.Recipient) bool {
	if filtersRoles(network) {
		return true
	}
	for i := range people {
		r := &people[i]
		if r.Settings != nil && filtersRoles(&r.Settings.Toggles) || r.ChannelSettings != nil && filtersRoles(&r.ChannelSettings.Toggles) {
			return true
		}
	}
	return false
}

func filtersRoles(t *chatbell.Toggles) bool {
	return slices.ContainsFunc(t.Modules, func(m chatbell.ModuleToggle) bool { return !m.Roles.IsZero() }) ||
		slices.ContainsFunc(t.Events, func(e chatbell.EventToggle) bool { return !e.Roles.IsZero() })
}

func isOff(b *bool) bool { return b != nil && !*b }
