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
	Enabled *bool          `json:"enabled"`
	Modules []ModuleToggle `json:"modules,omitempty"`
	Events  []EventToggle  `json:"events,omitempty"`
}

// ModuleToggle switches a module, or narrows it by the roles of the event's actor.
type ModuleToggle struct {
	Name    Module     `json:"name"`
	Enabled *bool      `json:"enabled"`
	Roles   RoleFilter `json:"roles,omitzero"`
}

// RoleFilter looks at the roles of the event's actor, never at the receiver's. A
// non-empty Include lets through only actors with one of its roles; Exclude stops
// actors with one of its roles and wins over Include.
type RoleFilter struct {
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
}

// IsZero reports whether the filter lets everybody through.
func (f RoleFilter) IsZero() bool { return len(f.Include) == 0 && len(f.Exclude) == 0 }

// EventToggle switches one event type.
type EventToggle struct {
	Name    EventType `json:"name"`
	Enabled *bool     `json:"enabled"`
}

// UserSettings are a user's own settings; they hold on all of the user's devices.
type UserSettings struct {
	Toggles
	SnoozeUntil time.Time   `json:"snooze_until,omitzero"`
	QuietHours  *QuietHours `json:"quiet_hours,omitempty"`
}

// QuietHours is a daily time without notifications. From and To are "HH:MM" on a
// 24-hour clock; From after To spans midnight; From equal to To is never. An empty
// Timezone means the user's own.
type QuietHours struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Timezone string `json:"timezone,omitempty"`
}

// ChannelSettings are a user's settings for one channel.
type ChannelSettings struct {
	Toggles
	MentionsOnly bool `json:"mentions_only,omitempty"`
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
