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
	ID      EventID         `json:"id,omitempty" minLength:"0" description:"Makes sending the event again harmless: a second event of the network with this id is a duplicate for 10 minutes (dedup_window). Without it the server makes one, and an event that is sent twice counts twice."`
	Type    EventType       `json:"type" required:"true" description:"What happened: a built-in type, or one of the network's own."`
	Time    time.Time       `json:"time,omitzero" description:"When it happened, in the years 1970 to 2200; the time of arrival if absent."`
	Actor   Person          `json:"actor,omitzero" description:"Who did it. The actor is never notified."`
	Channel ChannelRef      `json:"channel,omitzero" description:"Where it happened. Required for the types channel.* and message.*."`
	Message *Message        `json:"message,omitempty" description:"What was said. Required for the types message.*."`
	Members []Person        `json:"members,omitempty" maxItems:"1000" description:"The members of a new channel, who joined, or who left. Required for channel.joined and channel.left; more than 1,000 are put with PUT /v1/channels/{channel}/members."`
	User    *Person         `json:"user,omitempty" description:"Whom it is about, or who has read. Required for the types user.* and channel.read."`
	Badge   *int            `json:"badge,omitempty" nullable:"false" minimum:"0" description:"What the user has not read, after channel.read."`
	Data    json.RawMessage `json:"data,omitempty" description:"The network's own, as any JSON value. It is passed on and never looked into."`
}

// Person is a user as an event mentions them. Empty fields say nothing about the
// user: they change no state.
type Person struct {
	ID       UserID   `json:"id,omitempty" required:"true" description:"The user's id in the chat backend."`
	Name     string   `json:"name,omitempty" maxLength:"1000" description:"What others see, also in notifications."`
	Locale   string   `json:"locale,omitempty" maxLength:"64" description:"The user's language, a BCP 47 tag such as en or pt-BR."`
	Timezone string   `json:"timezone,omitempty" description:"The user's IANA time zone, such as Europe/Berlin."`
	Roles    []string `json:"roles,omitempty" maxItems:"100" itemMinLength:"1" itemMaxLength:"150" description:"The user's roles, which toggles can ask for."`
}

// IsZero reports whether nothing is said of anybody; it keeps empty actors out of the JSON.
func (p Person) IsZero() bool {
	return p.ID == "" && p.Name == "" && p.Locale == "" && p.Timezone == "" && p.Roles == nil
}

// ChannelRef is a channel as an event mentions it.
type ChannelRef struct {
	ID   ChannelID `json:"id,omitempty" required:"true" description:"The channel's id in the chat backend."`
	Name string    `json:"name,omitempty" maxLength:"1000" description:"What people see, also in notifications."`
	Type string    `json:"type,omitempty" maxLength:"150" description:"The chat backend's own kind of channel, for example community."`
	// Mode is kept by channel.created, channel.joined and channel.updated.
	Mode NotificationMode `json:"notification_mode,omitempty" description:"Whom the channel's events notify: default, silent or subscribe. Absent, it stays as it is."`
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

// MessageTypes lists every message type.
var MessageTypes = [...]MessageType{MessageText, MessageImage, MessageFile, MessageAudio, MessageVideo, MessageCustom}

// Message is the content of message events.
type Message struct {
	ID       string      `json:"id" required:"true" minLength:"1" maxLength:"150" description:"The message's id in the chat backend. A later notification of the same message replaces an earlier one on the phone."`
	Type     MessageType `json:"type" description:"The kind of content, which decides the words of the notification. Required, but for message.deleted."`
	Text     string      `json:"text,omitempty" maxLength:"20000" description:"What was written."`
	Mentions []UserID    `json:"mentions,omitempty" maxItems:"1000" description:"The users who are named in the text."`
	// MentionsChannel says that the message names everybody in the channel.
	MentionsChannel bool            `json:"mentions_channel,omitempty" description:"Whether everybody in the channel is named in the text."`
	ThreadID        string          `json:"thread_id,omitempty" maxLength:"150" description:"The message that this one answers."`
	Data            json.RawMessage `json:"data,omitempty" description:"The content of other than text messages, as any JSON value. It is passed on and never looked into."`
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
