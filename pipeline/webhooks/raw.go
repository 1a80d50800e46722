package webhooks

import (
	"encoding/json"
	"slices"

	"chatbell"
)

// RawEventName is the name under which customers of Amity know an event of this
// type. A type that Amity does not have keeps its own name.
func RawEventName(t chatbell.EventType) string {
	switch t {
	case chatbell.ChannelCreated:
		return "channel.didCreate"
	case chatbell.ChannelUpdated:
		return "channel.didUpdate"
	case chatbell.ChannelDeleted:
		return "channel.didDelete"
	case chatbell.ChannelJoined:
		return "channel.didJoin"
	case chatbell.ChannelLeft:
		return "channel.didLeave"
	case chatbell.MessageCreated:
		return "message.didCreate"
	case chatbell.MessageUpdated:
		return "message.didUpdate"
	case chatbell.MessageDeleted:
		return "message.didDelete"
	case chatbell.UserUpdated:
		return "user.didUpdate"
	case chatbell.UserDeleted:
		return "user.didDelete"
	default: // channel.read and a network's own types
		return string(t)
	}
}

// WantsRaw reports whether an endpoint with these events asked for raw events of
// this type: by "*" or by [RawEventName].
func WantsRaw(events []string, t chatbell.EventType) bool {
	name := RawEventName(t)
	return slices.ContainsFunc(events, func(e string) bool { return e == "*" || e == name })
}

type rawBody struct {
	Event string `json:"event"`
	Data  any    `json:"data"`
}

type rawChannelData struct {
	Channel []channelEntity   `json:"channel"` // an array, although its name is singular
	Users   []userEntity      `json:"users"`
	UserIDs []chatbell.UserID `json:"userIds,omitempty"`
	UserID  chatbell.UserID   `json:"userId,omitempty"`
}

type rawMessageData struct {
	Messages []messageEntity `json:"messages"`
	Users    []userEntity    `json:"users"`
}

type rawOtherData struct {
	Channel []channelEntity `json:"channel,omitempty"`
	Users   []userEntity    `json:"users"`
	UserID  chatbell.UserID `json:"userId,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// RawEventBody is the body that hands a customer the event itself, in Amity's form.
func RawEventBody(e *chatbell.Event) ([]byte, error) {
	if e == nil {
		return nil, errNoEvent
	}
	return encode(&rawBody{Event: RawEventName(e.Type), Data: rawData(e)})
}

func rawData(event *chatbell.Event) any {
	switch event.Type {
	case chatbell.ChannelCreated, chatbell.ChannelJoined, chatbell.ChannelLeft:
		ids := make([]chatbell.UserID, len(event.Members))
		for i := range event.Members {
			ids[i] = event.Members[i].ID
		}
		return &rawChannelData{Channel: channelsOf(event), Users: usersOf(event.Members...), UserIDs: ids}
	case chatbell.ChannelUpdated, chatbell.ChannelDeleted:
		return &rawChannelData{Channel: channelsOf(event), Users: usersOf(event.Actor), UserID: event.Actor.ID}
	case chatbell.MessageCreated, chatbell.MessageUpdated, chatbell.MessageDeleted:
		return &rawMessageData{Messages: nonNil(messagesOf(event)), Users: usersOf(event.Actor)}
	default:
		data := &rawOtherData{Channel: channelsOf(event), UserID: event.Actor.ID, Data: event.Data}
		if event.User != nil {
			data.Users = usersOf(*event.User)
		} else {
			data.Users = usersOf(event.Actor)
		}
		return data
	}
}
