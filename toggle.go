package chatbell

import "time"

// Module is what a group of event types is called in the toggles, for example
// "chat". A network's own rule names its module.
type Module string

// ModuleChat holds all built-in rules.
const ModuleChat Module = "chat"

// Toggles is one level's settings: network, user, or user within a channel. The
// zero value inherits everything.
type Toggles struct {
	// Enabled is true, false or nil (inherit). Only an explicit true opts in where
	// a channel's mode is [ModeSubscribe].
	Enabled *bool          `json:"enabled" description:"Whether notifications are on. Null inherits; only an explicit true opts in where a channel's mode is subscribe."`
	Modules []ModuleToggle `json:"modules,omitempty" maxItems:"100" description:"Toggles of groups of event types; the built-in types are the module chat."`
	Events  []EventToggle  `json:"events,omitempty" maxItems:"100" description:"Toggles of single event types."`
}

// ModuleToggle switches a module, or narrows it by the roles of the event's actor.
type ModuleToggle struct {
	Name    Module     `json:"name" required:"true" description:"The module, for example chat."`
	Enabled *bool      `json:"enabled" description:"Whether the module's notifications are on; null inherits."`
	Roles   RoleFilter `json:"roles,omitzero" description:"Narrows the module by the roles of the event's actor."`
}

// RoleFilter looks at the roles of the event's actor, never at the receiver's. A
// non-empty Include lets through only actors with one of its roles; Exclude stops
// actors with one of its roles and wins over Include.
type RoleFilter struct {
	Include []string `json:"include,omitempty" maxItems:"10" itemMinLength:"1" itemMaxLength:"150" description:"If there are any, only actors with one of these roles are let through."`
	Exclude []string `json:"exclude,omitempty" maxItems:"10" itemMinLength:"1" itemMaxLength:"150" description:"Actors with one of these roles are stopped; this wins over include."`
}

// IsZero reports whether the filter lets everybody through.
func (f RoleFilter) IsZero() bool { return len(f.Include) == 0 && len(f.Exclude) == 0 }

// EventToggle switches one event type, or narrows it by the roles of the event's actor.
// Name may also be one of the finer names that an event has for a person, such as
// conversation-message.created: the finest that says something counts.
type EventToggle struct {
	Name    EventType  `json:"name" required:"true" description:"The event type, for example message.created, or a finer name that Amity has for it, for example conversation-message.created or text-mention-message.created. The finest that says something counts."`
	Enabled *bool      `json:"enabled" description:"Whether its notifications are on; null inherits."`
	Roles   RoleFilter `json:"roles,omitzero" description:"Narrows the event by the roles of its actor."`
}

// UserSettings are a user's own settings; they hold on all of the user's devices.
type UserSettings struct {
	Toggles
	SnoozeUntil time.Time   `json:"snooze_until,omitzero" description:"Until then the user is told nothing."`
	QuietHours  *QuietHours `json:"quiet_hours,omitempty" description:"A time of each day in which the user is told nothing."`
}

// QuietHours is a daily time without notifications. From and To are "HH:MM" on a
// 24-hour clock; From after To spans midnight; From equal to To is never. An empty
// Timezone means the user's own.
type QuietHours struct {
	From     string `json:"from" required:"true" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" description:"When they begin, HH:MM on a 24-hour clock. Later than to, they span midnight; equal to it, they never are."`
	To       string `json:"to" required:"true" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" description:"When they end, HH:MM."`
	Timezone string `json:"timezone,omitempty" description:"The IANA time zone of both; the user's own if absent."`
}

// ChannelSettings are a user's settings for one channel.
type ChannelSettings struct {
	Toggles
	MentionsOnly bool `json:"mentions_only,omitempty" description:"Whether only messages that mention the user are told."`
}

// NotificationMode is a channel's own stance.
type NotificationMode string

// The notification modes: on unless the member opts out, off for everybody, or off
// until the member opts in.
const (
	ModeDefault   NotificationMode = "default"
	ModeSilent    NotificationMode = "silent"
	ModeSubscribe NotificationMode = "subscribe"
)

// NotificationModes lists every mode.
var NotificationModes = [...]NotificationMode{ModeDefault, ModeSilent, ModeSubscribe}
