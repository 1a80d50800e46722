package amity

import (
	"net/http"
	"reflect"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/handlers/web/openapi"
)

// The groups of operations.
const (
	tagDevices  = "Devices"
	tagSettings = "Settings"
	tagWebhooks = "Webhooks"
	tagServer   = "Server"
)

var tags = []openapi.Tag{
	{Name: tagDevices, Description: "Push tokens, as Amity's SDKs register them."},
	{Name: tagSettings, Description: "What a network, a user, or a user in one channel has switched on or off, in Amity's bodies."},
	{Name: tagWebhooks, Description: "What Amity calls when something happens in a chat."},
	{Name: tagServer, Description: "The surface itself."},
}

const description = `The part of chatbell that speaks as Amity (social.plus) does: its routes, its bodies, its errors. Behind it are the same devices, settings and events as behind chatbell's own API, which is described at /openapi.json.

**Errors** have Amity's form: status is error, code is Amity's number, message is for a human; for bad input data.detail has a sentence for each wrong field.`

func about(version string) openapi.Info {
	return openapi.Info{
		Title:       "chatbell for Amity",
		Version:     version,
		Summary:     "Devices, settings and webhooks in Amity's words",
		Description: description,
		Contact:     "chatbell",
		License:     "Apache-2.0",
		Server:      "/",
	}
}

// types says what holds for every value of a type.
func types() []openapi.Type {
	id := func(t reflect.Type) openapi.Type {
		return openapi.Type{Go: t, MinLength: 1, MaxLength: chatbell.MaxIDLength}
	}
	return []openapi.Type{
		id(reflect.TypeFor[chatbell.UserID]()), id(reflect.TypeFor[chatbell.EventID]()), id(reflect.TypeFor[chatbell.DeviceID]()),
		{Go: reflect.TypeFor[chatbell.NetworkID](), Pattern: "^[a-z0-9_-]{1,64}$"},
		{Go: reflect.TypeFor[failure](), Name: "Failure", Description: "An error as Amity's clients read it."},
		{Go: reflect.TypeFor[failureData](), Name: "FailureData", Description: "What is wrong with an input."},
		{Go: reflect.TypeFor[deviceInput](), Name: "Registration", Description: "A device, to be registered."},
		{Go: reflect.TypeFor[unregisterInput](), Name: "Unregistration", Description: "A device, to be unregistered."},
		{Go: reflect.TypeFor[done](), Name: "Done", Description: "It is done."},
		{Go: reflect.TypeFor[saved](), Name: "Saved", Description: "It is saved."},
		{Go: reflect.TypeFor[settingInput](), Name: "SettingChange", Description: "A setting, to be saved."},
		{Go: reflect.TypeFor[eventInput](), Name: "EventChange", Description: "What is said of an event or a module."},
		{Go: reflect.TypeFor[setting](), Name: "Setting", Description: "What is set at one level."},
		{Go: reflect.TypeFor[settingEvent](), Name: "SettingEvent", Description: "What is set for a module or an event."},
		{Go: reflect.TypeFor[chatbell.QuietHours](), Description: "A daily time without notifications."},
		{Go: reflect.TypeFor[hookCall](), Name: "HookCall", Description: "A call of a webhook of Amity's."},
		{Go: reflect.TypeFor[hookAnswer](), Name: "HookAnswer", Description: "What became of a call."},
		{Go: reflect.TypeFor[hookEvent](), Name: "HookEvent", Description: "One event that a call was turned into."},
	}
}

// Parameters of the operations.
type (
	unregisterQuery struct {
		DeviceID chatbell.DeviceID `query:"deviceId" description:"The device's id, if it is not in the body."`
		UserID   chatbell.UserID   `query:"userId" description:"Unregister the device only if it is this user's now; absent, whoever has it."`
	}
	settingQuery struct {
		Level     string          `query:"level" required:"true" enum:"user,channel" description:"Whose setting."`
		ChannelID string          `query:"channelId" description:"The channel, for that level."`
		UserID    chatbell.UserID `query:"userId" description:"The user, where a backend asks; with a user's own token it is that user."`
	}
	adminSettingQuery struct {
		Level     string          `query:"level" enum:"network,user,channel" default:"network" description:"Whose setting."`
		ChannelID string          `query:"channelId" description:"The channel, for that level."`
		UserID    chatbell.UserID `query:"userId" description:"The user, for the levels user and channel."`
	}
	hookQuery struct {
		Network chatbell.NetworkID `query:"network" description:"The network to which the webhook belongs. It may be left out where one network only has webhooks at Amity."`
	}
	hookHeader struct {
		Signature string `header:"X-Amity-Signature" description:"The HMAC-SHA256 of the body with the webhook's secret, in base64, or in hexadecimal where the configuration says so. X-Eko-Signature is taken in its place."`
	}
)

// hookCall is how a call is described; it is read member by member.
type hookCall struct {
	Event string         `json:"event" required:"true" description:"What happened, for example message.didCreate."`
	Data  map[string]any `json:"data" required:"true" description:"What it happened to, in Amity's entities."`
}

func registers(id, says, example string) openapi.Operation {
	return openapi.Operation{
		ID:          id,
		Tag:         tagDevices,
		Summary:     "Register a device",
		Description: says + " A device has one user at a time, and the last registration wins. Visitors, bots and banned users are refused.",
		Request:     &openapi.Body{Content: web.Body[deviceInput](web.Example("device", example))},
		Answers: append(web.Done(web.Body[done](web.Example("done", `{"success":true}`))),
			web.Fails("", "With a user's own token: the device is another user's, and has another push token.", nil, web.NewProblem(http.StatusConflict, "The device is another user's."))),
	}
}

func unregisters(id, says string) openapi.Operation {
	return openapi.Operation{
		ID:          id,
		Tag:         tagDevices,
		Summary:     "Unregister a device",
		Description: says + " The query or a body says which. With a user it acts only if that user has the device now; otherwise nothing happens, which is no error.",
		Parameters:  []any{unregisterQuery{}},
		Request:     &openapi.Body{Optional: true, Content: web.Body[unregisterInput](web.Example("device", `{"deviceId":"phone-1","userId":"alice"}`))},
		Answers:     web.Done(web.Body[done](web.Example("done", `{"success":true}`))),
	}
}

var (
	docRegister      = registers("registerDevice", "Registers a device for a user, as apps do with the network's client key.", exampleRegistration)
	docUnregister    = unregisters("unregisterDevice", "Takes a device from its user. It needs the network's client key only, and so works after a user has logged out.")
	docRegisterOwn   = registers("registerOwnDevice", "Registers a device for the user of the token.", exampleOwnDevice)
	docUnregisterOwn = unregisters("unregisterOwnDevice", "Takes a device from the user of the token.")
)

func reads(id, summary string, query any) openapi.Operation {
	return openapi.Operation{
		ID:          id,
		Tag:         tagSettings,
		Summary:     summary,
		Description: "Reads what is set at one level. What was never set is on.",
		Parameters:  []any{query},
		Answers:     web.Done(web.Body[setting](web.Example("setting", exampleSetting))),
	}
}

func saves(id, summary, example string) openapi.Operation {
	return openapi.Operation{
		ID:          id,
		Tag:         tagSettings,
		Summary:     summary,
		Description: "Saves what is said, and leaves everything else as it is. It holds for every event that is matched after the answer; a network that is off stops what waits, too.",
		Request:     &openapi.Body{Content: web.Body[settingInput](web.Example("setting", example))},
		Answers:     web.Done(web.Body[saved](web.Example("saved", `{"status":"success"}`))),
	}
}

var (
	docGetSetting       = reads("getSetting", "Read a user's settings", settingQuery{})
	docSaveSetting      = saves("saveSetting", "Save a user's settings", exampleSave)
	docGetAdminSetting  = reads("getAdminSetting", "Read settings of any level", adminSettingQuery{})
	docSaveAdminSetting = saves("saveAdminSetting", "Save settings of any level", exampleNetworkOff)
)

var docHook = openapi.Operation{
	ID:      "postHook",
	Tag:     tagWebhooks,
	Summary: "Take a webhook's call",
	Description: "Takes a call of a webhook at Amity whose secret is in the configuration, and turns it into events. The answer comes when they are durable. " +
		"A call that is repeated comes to the same event ids, which are duplicates then. What chatbell has no use for is taken, and ignored says so.",
	Parameters: []any{hookQuery{}, hookHeader{}},
	Request:    &openapi.Body{Content: web.Body[hookCall](web.Example("message", exampleCall))},
	Answers: append(web.Done(web.Body[hookAnswer](web.Example("events", exampleCalled),
		web.Example("ignored", `{"status":"success","events":[],"ignored":"follow.didCreate is not used: chatbell tells of chats"}`))),
		web.Fails("", "The call is not signed, or not with a secret of the network's webhooks.", nil, web.NewProblem(http.StatusUnauthorized, saysWrong)),
		web.AnswerTooMany),
}

var docGetDocument = openapi.Operation{
	ID:          "getAmityDocument",
	Tag:         tagServer,
	Summary:     "This document",
	Description: "The surface as an OpenAPI 3.1 document, made from the types that the server reads and writes.",
	Answers: web.Done([]openapi.Content{{
		Media:    web.MediaJSON,
		Schema:   openapi.Any(),
		Examples: []openapi.Example{web.Example("document", `{"openapi":"3.1.0","info":{"title":"chatbell for Amity","version":"1.0.0"}}`)},
	}}),
}
