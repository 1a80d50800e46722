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
func checkEvent(event *chatbell.Event) []chatbell.FieldError {
	check := &web.Checker{}
	if event.ID != "" {
		check.ID("/id", string(event.ID))
	}
	if !typePattern.MatchString(string(event.Type)) {
		check.Add("/type", "must be an event type: 1 to 64 characters of a-z, 0-9, dot, underscore and hyphen")
	}
	if y := event.Time.UTC().Year(); !event.Time.IsZero() && (y < minYear || y > maxYear) {
		check.Add("/time", "must be within the years %d to %d in UTC", minYear, maxYear)
	}
	need := needs[event.Type]
	if !event.Actor.IsZero() {
		check.Person("/actor", &event.Actor)
	}
	checkChannel(check, event, need.channel)
	checkMessage(check, event, need.message)
	checkMembers(check, event, need.members)
	switch {
	case event.User != nil:
		check.Person("/user", event.User)
	case need.user:
		check.Add("/user", "is required for %s", event.Type)
	}
	if event.Badge != nil && *event.Badge < 0 {
		check.Add("/badge", "must not be negative")
	}
	return check.Mistakes()
}

func checkChannel(check *web.Checker, e *chatbell.Event, required bool) {
	ref := &e.Channel
	if *ref == (chatbell.ChannelRef{}) {
		if required {
			check.Add("/channel", "is required for %s", e.Type)
		}
		return
	}
	check.ID("/channel/id", string(ref.ID))
	check.Short("/channel/name", ref.Name, web.MaxName)
	check.Short("/channel/type", ref.Type, chatbell.MaxIDLength)
	if ref.Mode != "" && !slices.Contains(chatbell.NotificationModes[:], ref.Mode) {
		check.Add("/channel/notification_mode", "must be default, silent or subscribe")
	}
}

func checkMessage(check *web.Checker, event *chatbell.Event, required bool) {
	message := event.Message
	if message == nil {
		if required {
			check.Add("/message", "is required for %s", event.Type)
		}
		return
	}
	check.ID("/message/id", message.ID)
	gone := message.Type == "" && event.Type == chatbell.MessageDeleted // what is gone has no type any more
	if !gone && !slices.Contains(chatbell.MessageTypes[:], message.Type) {
		check.Add("/message/type", "must be text, image, file, audio, video or custom")
	}
	check.Short("/message/text", message.Text, maxText)
	check.Short("/message/thread_id", message.ThreadID, chatbell.MaxIDLength)
	if len(message.Mentions) > chatbell.MaxEventMembers {
		check.Add("/message/mentions", "must be at most %d", chatbell.MaxEventMembers)
		return
	}
	for i, id := range message.Mentions {
		check.ID(fmt.Sprintf("/message/mentions/%d", i), string(id))
	}
}

func checkMembers(check *web.Checker, event *chatbell.Event, required bool) {
	switch n := len(event.Members); {
	case n == 0 && required:
		check.Add("/members", "must name at least one person for %s", event.Type)
	case n > chatbell.MaxEventMembers:
		check.Add("/members", "must be at most %d; put more with PUT /v1/channels/{channel}/members", chatbell.MaxEventMembers)
		return
	}
	for i := range event.Members {
		check.Person(fmt.Sprintf("/members/%d", i), &event.Members[i])
	}
}
