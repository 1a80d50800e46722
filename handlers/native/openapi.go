package native

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"chatbell"
	"chatbell/handlers/web/openapi"
	"chatbell/pipeline/intake"
	"chatbell/pipeline/push/providers"
)

var pathParam = regexp.MustCompile(`:([a-z]+)`)

// describe makes /openapi.json from the list of routes that serves them.
func describe(version string, routes []route) []byte {
	document := openapi.New(about(version), types()...)
	for i := range routes {
		r := &routes[i]
		if err := document.Add(r.method, pathParam.ReplaceAllString(r.path, "{$1}"), r.operation()); err != nil {
			panic(err.Error()) // the routes are written in this package: a programming error
		}
	}
	data, err := document.JSON()
	if err != nil {
		panic(err.Error()) // as above
	}
	return data
}

// The names of the ways to show who is calling.
const (
	schemeKey   = "serverKey"
	schemeToken = "userToken"
	schemeAPI   = "apiKey"
)

// The groups of operations.
const (
	tagEvents   = "Events"
	tagUsers    = "Users"
	tagChannels = "Channels"
	tagDevices  = "Devices"
	tagSettings = "Settings"
	tagServer   = "Server"
)

const description = `chatbell is a notification server that chat backends run themselves. It takes chat events, decides who is to be told and in which language, and pushes to phones or calls webhooks.

**Errors** are problems (RFC 9457, ` + "`application/problem+json`" + `) that say what would be right; for bad input ` + "`errors`" + ` names each place by a JSON pointer.

**Ids** are the chat backend's own: 1 to 150 characters without control characters, percent-encoded in a path.

**Unknown members** of a body are ignored, except in settings, where a mistyped name would erase what was set before.

**Repeats** are harmless: PUT and DELETE by their nature, events by their id, devices by their device_id. The header ` + "`Idempotency-Key`" + ` is not in this build and is refused, not ignored.`

func about(version string) openapi.Info {
	return openapi.Info{
		Title: "chatbell", Version: version, Summary: "Notification server for chat backends", Description: description,
		Contact: "chatbell", License: "Apache-2.0", Server: "/",
		Tags: []openapi.Tag{
			{Name: tagEvents, Description: "What happened in the chat."},
			{Name: tagUsers, Description: "The people of a network: their language, time zone and roles."},
			{Name: tagChannels, Description: "Channels and who is in them."},
			{Name: tagDevices, Description: "Push tokens."},
			{Name: tagSettings, Description: "What a network, a user, or a user in one channel has switched on or off. An off of the network beats all, an off of the user beats the channel."},
			{Name: tagServer, Description: "What an operator asks a server. Open to everybody who reaches it."},
		},
		Schemes: []openapi.Scheme{
			{Name: schemeKey, Format: "API key", Description: "A server key, which acts for its network, or the admin key, which reaches all."},
			{Name: schemeToken, Format: "JWT", Description: "A user's token, signed by the chat backend with HS256 and a client key's secret: kid is that key's id, sub the user's id, and exp is required. " +
				"It reaches that user's own devices and settings only."},
			{Name: schemeAPI, Header: "X-API-Key", Description: "The same keys and tokens, for callers that cannot set Authorization. If both are sent, Authorization counts."},
		},
	}
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
		{Go: reflect.TypeFor[liveness](), Description: "A process that lives."},
		{Go: reflect.TypeFor[readiness](), Description: "A server that takes events."},
		{Go: reflect.TypeFor[Problem](), Description: "An error (RFC 9457)."},
		{Go: reflect.TypeFor[chatbell.FieldError](), Description: "What is wrong at one place of the input."},

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
	var b strings.Builder
	b.WriteString("A push service, and what a token is there:")
	for i, p := range providers.All() {
		if i > 0 {
			b.WriteString(";")
		}
		fmt.Fprintf(&b, " `%s` %s", p.Name, p.Tokens)
		if p.Platform != "" {
			fmt.Fprintf(&b, ", on %s if the device does not say", p.Platform)
		}
	}
	return b.String() + "."
}

func list[T any](values []T) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// operation is what the document says of a route: its own words, and what follows
// from who may call it and whether it takes a body.
func (r *route) operation() openapi.Operation {
	op := r.doc
	op.Security = r.access.schemes()
	answers := slices.Clone(op.Answers)
	answers = append(answers, answerBadRequest)
	if r.access != open {
		op.Parameters = append(slices.Clone(op.Parameters), networkQuery{})
		answers = append(answers, answerUnauthorized, answerForbidden, answerNotFound)
	}
	if op.Request != nil {
		answers = append(answers, answerTooLarge, answerUnsupported)
	}
	unready := slices.ContainsFunc(answers, func(a openapi.Answer) bool { return a.Status == http.StatusServiceUnavailable })
	if !unready && op.ID != docGetHealthz.ID {
		answers = append(answers, answerAway)
	}
	answers = append(answers, answerElse)
	op.Answers = answers
	return op
}

func (a access) schemes() []string {
	switch a {
	case server:
		return []string{schemeKey, schemeAPI}
	case users:
		return []string{schemeKey, schemeToken, schemeAPI}
	case open:
	}
	return nil
}

// fails is an answer that many operations give.
func fails(status int, name, description string, headers any, example *Problem) openapi.Answer {
	return openapi.Answer{
		Status: status, Name: name, Description: description, Headers: headers,
		Content: []openapi.Content{{Media: mediaProblem, Schema: openapi.Of[Problem](), Examples: problemExample(example)}},
	}
}

var (
	answerBadRequest = fails(http.StatusBadRequest, "BadRequest", "The path, the query or the body is wrong; nothing was changed.", nil,
		invalid(field("/locale", "must be a BCP 47 language tag, for example en or pt-BR")))
	answerUnauthorized = fails(http.StatusUnauthorized, "Unauthorized", "There is no key or token, or it is not known or has expired.", challengeHeader{}, errNoCredentials)
	answerForbidden    = fails(http.StatusForbidden, "Forbidden", "The key or token is good, but not for this.", nil, errUserToken)
	answerNotFound     = fails(http.StatusNotFound, "NotFound", "There is no such object in this network, or no such network.", nil, asProblem(chatbell.ErrNotFound))
	answerTooLarge     = fails(http.StatusRequestEntityTooLarge, "TooLarge", "The body, or a line of it, is too large.", nil, errTooLarge)
	answerUnsupported  = fails(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The body's media type is not understood here, or it is compressed.", nil,
		problem(http.StatusUnsupportedMediaType, "send application/x-ndjson, one member a line"))
	answerTooMany = fails(http.StatusTooManyRequests, "TooManyRequests", "The backlog is full, or too many of the network's lists are coming in. Nothing was stored; send it again later.", retryHeader{}, notTaken(&intake.Error{Cause: intake.Overloaded, RetryAfter: 5 * time.Second}))
	answerAway    = fails(http.StatusServiceUnavailable, "Unavailable", "The server is starting, or the broker or the store cannot take it now. Send it again later; ids make that harmless.", retryHeader{}, notTaken(&intake.Error{Cause: intake.Unavailable, RetryAfter: 5 * time.Second}))
	answerElse    = fails(0, "Error", "Anything else, for example 405 for a method that the path does not have, or 500 for a failure of the server's.", nil,
		asProblem(fmt.Errorf("whatever it is")))
)
