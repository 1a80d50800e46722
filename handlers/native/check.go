package native

import (
	"fmt"
	"regexp"
	"slices"

	"chatbell"
	"chatbell/handlers/web"
)

var (
	typePattern = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
	namePattern = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
)

// maxText bounds a message's text, in characters, as at Amity.
const maxText = 20000

// needs is what each built-in event type must carry.
var needs = map[chatbell.EventType]struct{ channel, members, message, user bool }{
	chatbell.ChannelCreated: {channel: true},
	chatbell.ChannelUpdated: {channel: true},
	chatbell.ChannelDeleted: {channel: true},
	chatbell.ChannelJoined:  {channel: true, members: true},
	chatbell.ChannelLeft:    {channel: true, members: true},
	chatbell.ChannelRead:    {channel: true, user: true},
	chatbell.MessageCreated: {channel: true, message: true},
	chatbell.MessageUpdated: {channel: true, message: true},
	chatbell.MessageDeleted: {channel: true, message: true},
	chatbell.UserUpdated:    {user: true},
	chatbell.UserDeleted:    {user: true},
}

// The years of an event: what ClickHouse's DateTime64 and its clients keep.
const (
	minYear = 1970
	maxYear = 2200
)

// checkEvent says everything that is wrong with an event.
func checkEvent(e *chatbell.Event) []chatbell.FieldError {
	k := &web.Checker{}
	if e.ID != "" {
		k.ID("/id", string(e.ID))
	}
	if !typePattern.MatchString(string(e.Type)) {
		k.Add("/type", "must be an event type: 1 to 64 characters of a-z, 0-9, dot, underscore and hyphen")
	}
	if y := e.Time.UTC().Year(); !e.Time.IsZero() && (y < minYear || y > maxYear) {
		k.Add("/time", "must be within the years %d to %d in UTC", minYear, maxYear)
	}
	need := needs[e.Type]
	if !e.Actor.IsZero() {
		k.Person("/actor", &e.Actor)
	}
	checkChannel(k, e, need.channel)
	checkMessage(k, e, need.message)
	checkMembers(k, e, need.members)
	switch {
	case e.User != nil:
		k.Person("/user", e.User)
	case need.user:
		k.Add("/user", "is required for %s", e.Type)
	}
	if e.Badge != nil && *e.Badge < 0 {
		k.Add("/badge", "must not be negative")
	}
	return k.Mistakes()
}

func checkChannel(k *web.Checker, e *chatbell.Event, required bool) {
	c := &e.Channel
	if *c == (chatbell.ChannelRef{}) {
		if required {
			k.Add("/channel", "is required for %s", e.Type)
		}
		return
	}
	k.ID("/channel/id", string(c.ID))
	k.Short("/channel/name", c.Name, web.MaxName)
	k.Short("/channel/type", c.Type, chatbell.MaxIDLength)
}

func checkMessage(k *web.Checker, e *chatbell.Event, required bool) {
	m := e.Message
	if m == nil {
		if required {
			k.Add("/message", "is required for %s", e.Type)
		}
		return
	}
	k.ID("/message/id", m.ID)
	gone := m.Type == "" && e.Type == chatbell.MessageDeleted // what is gone has no type any more
	if !gone && !slices.Contains(chatbell.MessageTypes[:], m.Type) {
		k.Add("/message/type", "must be text, image, file, audio, video or custom")
	}
	k.Short("/message/text", m.Text, maxText)
	k.Short("/message/thread_id", m.ThreadID, chatbell.MaxIDLength)
	if len(m.Mentions) > chatbell.MaxEventMembers {
		k.Add("/message/mentions", "must be at most %d", chatbell.MaxEventMembers)
		return
	}
	for i, id := range m.Mentions {
		k.ID(fmt.Sprintf("/message/mentions/%d", i), string(id))
	}
}

func checkMembers(k *web.Checker, e *chatbell.Event, required bool) {
	switch n := len(e.Members); {
	case n == 0 && required:
		k.Add("/members", "must name at least one person for %s", e.Type)
	case n > chatbell.MaxEventMembers:
		k.Add("/members", "must be at most %d; put more with PUT /v1/channels/{channel}/members", chatbell.MaxEventMembers)
		return
	}
	for i := range e.Members {
		k.Person(fmt.Sprintf("/members/%d", i), &e.Members[i])
	}
}
