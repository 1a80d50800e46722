package native

import (
	"fmt"
	"reflect"
	"strings"

	"chatbell"
	"chatbell/handlers/web/openapi"
	"chatbell/pipeline/deadletter"
	"chatbell/pipeline/push/providers"
)

// The groups of operations.
const (
	tagEvents   = "Events"
	tagUsers    = "Users"
	tagChannels = "Channels"
	tagDevices  = "Devices"
	tagSettings = "Settings"
	tagServer   = "Server" // as the surface that is asked for the status calls it
)

const description = `chatbell is a notification server that chat backends run themselves. It takes chat events, decides who is to be told and in which language, and pushes to phones or calls webhooks.

**Errors** are problems (RFC 9457, ` + "`application/problem+json`" + `) that say what would be right; for bad input ` + "`errors`" + ` names each place by a JSON pointer.

**Ids** are the chat backend's own: 1 to 150 characters without control characters, percent-encoded in a path.

**Unknown members** of a body are ignored, except in settings, where a mistyped name would erase what was set before.

**Repeats** are harmless: PUT and DELETE by their nature, events by their id, devices by their device_id. The header ` + "`Idempotency-Key`" + ` is not in this build and is refused, not ignored.`

func about(version string) openapi.Info {
	return openapi.Info{
		Title:       "chatbell",
		Version:     version,
		Summary:     "Notification server for chat backends",
		Description: description,
		Contact:     "chatbell",
		License:     "Apache-2.0",
		Server:      "/",
	}
}

// tags are the groups in the document.
var tags = []openapi.Tag{
	{Name: tagEvents, Description: "What happened in the chat."},
	{Name: tagUsers, Description: "The people of a network: their language, time zone and roles."},
	{Name: tagChannels, Description: "Channels and who is in them."},
	{Name: tagDevices, Description: "Push tokens."},
	{Name: tagSettings, Description: "What a network, a user, or a user in one channel has switched on or off. An off of the network beats all, an off of the user beats the channel."},
}

// types says what holds for every value of a type.
func types() []openapi.Type {
	id := func(t reflect.Type) openapi.Type {
		return openapi.Type{Go: t, MinLength: 1, MaxLength: chatbell.MaxIDLength}
	}
	return []openapi.Type{
		id(reflect.TypeFor[chatbell.UserID]()), id(reflect.TypeFor[chatbell.ChannelID]()),
		id(reflect.TypeFor[chatbell.EventID]()), id(reflect.TypeFor[chatbell.DeviceID]()),
		{Go: reflect.TypeFor[chatbell.NetworkID](), Pattern: "^[a-z0-9_-]{1,64}$"},
		{Go: reflect.TypeFor[chatbell.EventType](), Pattern: typePattern.String()},
		{Go: reflect.TypeFor[chatbell.Module](), Pattern: namePattern.String()},

		{Go: reflect.TypeFor[chatbell.MessageType](), Enum: list(chatbell.MessageTypes[:]), Description: "The kind of a message's content."},
		{Go: reflect.TypeFor[chatbell.NotificationMode](), Enum: list(chatbell.NotificationModes[:]), Description: "A channel's own stance."},
		{Go: reflect.TypeFor[chatbell.Platform](), Enum: list(chatbell.Platforms[:]), Description: "What a device runs."},
		{Go: reflect.TypeFor[chatbell.Provider](), Enum: list(providers.Names()), Description: providersDescription()},

		{Go: reflect.TypeFor[chatbell.Event](), Description: eventDescription},
		{Go: reflect.TypeFor[chatbell.Person](), Description: "A user as an event mentions them. What is absent changes nothing that is known of the user."},
		{Go: reflect.TypeFor[chatbell.ChannelRef](), Description: "A channel as an event mentions it. What is absent changes nothing that is known of the channel."},
		{Go: reflect.TypeFor[chatbell.Message](), Description: "The content of message events."},
		{Go: reflect.TypeFor[chatbell.User](), Description: "A person of the network."},
		{Go: reflect.TypeFor[userInput](), Description: "A user, to be put."},
		{Go: reflect.TypeFor[chatbell.Channel](), Description: "Where messages are exchanged."},
		{Go: reflect.TypeFor[channelInput](), Description: "A channel, to be put."},
		{Go: reflect.TypeFor[member](), Description: "A user of a channel, with the roles in that channel."},
		{Go: reflect.TypeFor[memberInput](), Description: "A member, to be put."},
		{Go: reflect.TypeFor[memberPage](), Description: "A part of a channel's members."},
		{Go: reflect.TypeFor[memberCount](), Description: "What a bulk list came to."},
		{Go: reflect.TypeFor[device](), Description: "One push token. It belongs to one user at a time."},
		{Go: reflect.TypeFor[deviceInput](), Description: "A device, to be registered."},
		{Go: reflect.TypeFor[devicePage](), Description: "A part of the devices."},
		{Go: reflect.TypeFor[registered](), Description: "A device that was registered."},
		{Go: reflect.TypeFor[eventResult](), Description: "What became of one event."},
		{Go: reflect.TypeFor[eventResults](), Description: "What became of the events of a request."},

		{Go: reflect.TypeFor[deadLetter](), Description: "What was accepted and given up."},
		{Go: reflect.TypeFor[deadLetterPage](), Description: "A part of the dead letters."},
		{Go: reflect.TypeFor[replayed](), Description: "What was replayed."},
		{Go: reflect.TypeFor[deadletter.Kind](), Enum: list(deadletter.Kinds[:]), Description: "What a dead letter was."},

		{Go: reflect.TypeFor[chatbell.Toggles](), Name: "NetworkSettings", Closed: true, Description: "What the network has switched on or off. What is absent is on, except where a channel's mode says otherwise."},
		{Go: reflect.TypeFor[chatbell.UserSettings](), Closed: true, Description: "A user's own settings. They hold on all of the user's devices."},
		{Go: reflect.TypeFor[chatbell.ChannelSettings](), Closed: true, Description: "A user's settings for one channel."},
		{Go: reflect.TypeFor[chatbell.ModuleToggle](), Closed: true, Description: "Switches a group of event types, or narrows it by the actor's roles."},
		{Go: reflect.TypeFor[chatbell.EventToggle](), Closed: true, Description: "Switches one event type."},
		{Go: reflect.TypeFor[chatbell.RoleFilter](), Closed: true, Description: "Looks at the roles of the event's actor, never at the receiver's."},
		{Go: reflect.TypeFor[chatbell.QuietHours](), Closed: true, Description: "A daily time without notifications."},
	}
}

// providersDescription says of each push service what its tokens are, and what its
// devices run that do not say so.
func providersDescription() string {
	var out strings.Builder
	out.WriteString("A push service, and what a token is there:")
	for i, provider := range providers.All() {
		if i > 0 {
			out.WriteString(";")
		}
		fmt.Fprintf(&out, " `%s` %s", provider.Name, provider.Tokens)
		if provider.Platform != "" {
			fmt.Fprintf(&out, ", on %s if the device does not say", provider.Platform)
		}
	}
	return out.String() + "."
}

func list[T any](values []T) []any {
	out := make([]any, len(values))
	for i, value := range values {
		out[i] = value
	}
	return out
}
