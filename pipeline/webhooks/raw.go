package webhooks

import (
	"encoding/json"
	"slices"

	"chatbell"
)

// rawNames are Amity's names of our event types. A type that Amity does not have keeps its
// own name.
var rawNames = map[chatbell.EventType]string{
	chatbell.ChannelCreated: "channel.didCreate",
	chatbell.ChannelUpdated: "channel.didUpdate",
	chatbell.ChannelDeleted: "channel.didDelete",
	chatbell.ChannelJoined:  "channel.didJoin",
	chatbell.ChannelLeft:    "channel.didLeave",
	chatbell.MessageCreated: "message.didCreate",
	chatbell.MessageUpdated: "message.didUpdate",
	chatbell.MessageDeleted: "message.didDelete",
	chatbell.UserUpdated:    "user.didUpdate",
	chatbell.UserDeleted:    "user.didDelete",

	// What comes in from Amity and is no built-in type goes out as it came.
	"message.flagged":          "message.didFlag",
	"message.unflagged":        "message.didUnflag",
	"message.flags_cleared":    "message.didClearflag",
	"message.reaction_added":   "message.didAddReaction",
	"message.reaction_removed": "message.didRemoveReaction",
}

// RawEventName is the name under which customers of Amity know an event. Who was added or
// removed by somebody else did not join or leave.
func RawEventName(event *chatbell.Event) string {
	name, known := rawNames[event.Type]
	switch {
	case !known:
		return string(event.Type) // channel.read and a network's own types
	case event.Type == chatbell.ChannelJoined && byAnother(event):
		return "channel.didAddUsers"
	case event.Type == chatbell.ChannelLeft && byAnother(event):
		return "channel.didRemoveUsers"
	}
	return name
}

// byAnother reports whether the actor is none of those whom the event is about.
func byAnother(event *chatbell.Event) bool {
	return event.Actor.ID != "" && !slices.ContainsFunc(event.Members, func(p chatbell.Person) bool { return p.ID == event.Actor.ID })
}

// WantsRaw reports whether an endpoint with these events asked for the raw event: by "*"
// or by [RawEventName].
func WantsRaw(events []string, event *chatbell.Event) bool {
	name := RawEventName(event)
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
	Adder   chatbell.UserID   `json:"adderId,omitempty"`
	Remover chatbell.UserID   `json:"removerId,omitempty"`
}

type rawMessageData struct {
	Messages []messageEntity `json:"messages"`
	Users    []userEntity    `json:"users"`
	Files    []struct{}      `json:"files"`
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
	return encode(&rawBody{Event: RawEventName(e), Data: rawData(e)})
}

func rawData(event *chatbell.Event) any {
	switch event.Type {
	case chatbell.ChannelCreated, chatbell.ChannelJoined, chatbell.ChannelLeft:
		return rawMembers(event)
	case chatbell.ChannelUpdated, chatbell.ChannelDeleted:
		return &rawChannelData{Channel: changedChannel(event), Users: usersOf(event.Actor), UserID: event.Actor.ID}
	case chatbell.MessageCreated, chatbell.MessageUpdated, chatbell.MessageDeleted:
		return &rawMessageData{Messages: nonNil(messagesOf(event)), Users: usersOf(event.Actor), Files: []struct{}{}}
	default:
		if _, known := rawNames[event.Type]; known && len(event.Data) > 0 && event.Data[0] == '{' {
			return event.Data
		}
		data := &rawOtherData{Channel: channelsOf(event), UserID: event.Actor.ID, Data: event.Data}
		if event.User != nil {
			data.Users = usersOf(*event.User)
		} else {
			data.Users = usersOf(event.Actor)
		}
		return data
	}
}

// rawMembers is about people who are in a channel now, or not any more.
func rawMembers(event *chatbell.Event) *rawChannelData {
	ids := make([]chatbell.UserID, len(event.Members))
	for i := range event.Members {
		ids[i] = event.Members[i].ID
	}
	data := &rawChannelData{Channel: changedChannel(event), Users: usersOf(event.Members...), UserIDs: ids}
	if !byAnother(event) {
		return data
	}
	data.Users = usersOf(append(slices.Clip(event.Members), event.Actor)...)
	switch event.Type {
	case chatbell.ChannelJoined:
		data.Adder = event.Actor.ID
	case chatbell.ChannelLeft:
		data.Remover = event.Actor.ID
	default:
		data.Users = usersOf(event.Members...) // who made a channel is said of the channel
	}
	return data
}
