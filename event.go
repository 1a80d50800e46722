package chatbell

import (
	"encoding/json"
	"time"
)

// EventType names a kind of event, for example "message.created". Besides the
// built-in types a network may use any other name of the form [a-z0-9._-]{1,64}.
type EventType string

// The built-in event types.
const (
	ChannelCreated EventType = "channel.created"
	ChannelUpdated EventType = "channel.updated"
	ChannelDeleted EventType = "channel.deleted"
	ChannelJoined  EventType = "channel.joined"
	ChannelLeft    EventType = "channel.left"
	ChannelRead    EventType = "channel.read"
	MessageCreated EventType = "message.created"
	MessageUpdated EventType = "message.updated"
	MessageDeleted EventType = "message.deleted"
	UserUpdated    EventType = "user.updated"
	UserDeleted    EventType = "user.deleted"
)

// Limits of one event, checked where it comes in.
const (
	// MaxEventSize bounds one event's JSON, in bytes.
	MaxEventSize = 512 << 10
	// MaxEventMembers bounds the members of one event; more go through the bulk call.
	MaxEventMembers = 1000
)

// Event is a fact from the chat backend. The JSON form is the one of POST /v1/events.
type Event struct {
	ID      EventID         `json:"id,omitempty"`
	Type    EventType       `json:"type"`
	Time    time.Time       `json:"time,omitzero"`
	Actor   Person          `json:"actor,omitzero"`
	Channel ChannelRef      `json:"channel,omitzero"`
	Message *Message        `json:"message,omitempty"`
	Members []Person        `json:"members,omitempty"`
	User    *Person         `json:"user,omitempty"`
	Badge   *int            `json:"badge,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Person is a user as an event mentions them. Empty fields say nothing about the
// user: they change no state.
type Person struct {
	ID       UserID   `json:"id,omitempty"`
	Name     string   `json:"name,omitempty"`
	Locale   string   `json:"locale,omitempty"`
	Timezone string   `json:"timezone,omitempty"`
	Roles    []string `json:"roles,omitempty"`
}

// IsZero reports whether nothing is said of anybody; it keeps empty actors out of the JSON.
func (p Person) IsZero() bool {
	return p.ID == "" && p.Name == "" && p.Locale == "" && p.Timezone == "" && p.Roles == nil
}

// ChannelRef is a channel as an event mentions it.
type ChannelRef struct {
	ID   ChannelID `json:"id,omitempty"`
	Name string    `json:"name,omitempty"`
	Type string    `json:"type,omitempty"`
}

// MessageType is the kind of a message's content.
type MessageType string

// The message types.
const (
	MessageText   MessageType = "text"
	MessageImage  MessageType = "image"
	MessageFile   MessageType = "file"
	MessageAudio  MessageType = "audio"
	MessageVideo  MessageType = "video"
	MessageCustom MessageType = "custom"
)

// Message is the content of message events.
type Message struct {
	ID       string          `json:"id"`
	Type     MessageType     `json:"type"`
	Text     string          `json:"text,omitempty"`
	Mentions []UserID        `json:"mentions,omitempty"`
	ThreadID string          `json:"thread_id,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
}

// Envelope is an accepted event on its way through the pipeline. Once it is in the
// broker the event is never lost.
type Envelope struct {
	Network    NetworkID `json:"network"`
	Event      Event     `json:"event"`
	AcceptedAt time.Time `json:"accepted_at"`
	Source     Source    `json:"source"`
	// TraceParent is the W3C traceparent of the request that brought the event, or empty.
	TraceParent string `json:"traceparent,omitempty"`
}

// Key orders events: those of one channel are matched one after another, in the
// order in which they were accepted. Events without a channel (user.updated) are
// ordered by the user that they are about.
func (e *Envelope) Key() string {
	about := string(e.Event.Channel.ID)
	if about == "" && e.Event.User != nil {
		about = "\x01" + string(e.Event.User.ID)
	}
	return string(e.Network) + "\x00" + about
}
