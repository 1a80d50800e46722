package native

import (
	"chatbell"
	"chatbell/handlers/web/openapi"
)

const (
	putsSettings   = "Makes the settings exactly these; what is absent inherits. They hold for every event that is matched after the answer."
	mergesSettings = "Merges a patch (RFC 7396) into the settings: what is absent stays, null takes away, a list is replaced as a whole."
	readsSettings  = "Reads the settings; what was never set inherits."
)

func merge7396[T any](value string) *openapi.Body {
	one := []openapi.Example{example("patch", value)}
	return &openapi.Body{Content: []openapi.Content{{Media: mediaMerge, Schema: openapi.MergePatch[T](), Examples: one}}}
}

var (
	docGetNetworkSettings = openapi.Operation{
		ID: "getNetworkSettings", Tag: tagSettings, Summary: "Read the network's settings", Description: readsSettings,
		Answers: ok(body[chatbell.Toggles](example("settings", exampleNetworkSettings))),
	}
	docPutNetworkSettings = openapi.Operation{
		ID: "putNetworkSettings", Tag: tagSettings, Summary: "Replace the network's settings", Description: putsSettings,
		Request: &openapi.Body{Content: body[chatbell.Toggles](example("settings", exampleNetworkSettings))},
		Answers: ok(body[chatbell.Toggles](example("settings", exampleNetworkSettings))),
	}
	docPatchNetworkSettings = openapi.Operation{
		ID: "patchNetworkSettings", Tag: tagSettings, Summary: "Merge into the network's settings", Description: mergesSettings,
		Request: merge7396[chatbell.Toggles](`{"enabled":false}`),
		Answers: ok(body[chatbell.Toggles](example("settings", `{"enabled":false}`))),
	}
)

var (
	docGetUserSettings = openapi.Operation{
		ID: "getUserSettings", Tag: tagSettings, Summary: "Read a user's settings", Description: readsSettings,
		Parameters: []any{userPath{}},
		Answers:    ok(body[chatbell.UserSettings](example("settings", exampleUserSettings))),
	}
	docPutUserSettings = openapi.Operation{
		ID: "putUserSettings", Tag: tagSettings, Summary: "Replace a user's settings", Description: putsSettings,
		Parameters: []any{userPath{}},
		Request:    &openapi.Body{Content: body[chatbell.UserSettings](example("settings", exampleUserSettings))},
		Answers:    ok(body[chatbell.UserSettings](example("settings", exampleUserSettings))),
	}
	docPatchUserSettings = openapi.Operation{
		ID: "patchUserSettings", Tag: tagSettings, Summary: "Merge into a user's settings", Description: mergesSettings,
		Parameters: []any{userPath{}},
		Request:    merge7396[chatbell.UserSettings](`{"snooze_until":null,"quiet_hours":{"from":"23:00","to":"06:30"}}`),
		Answers:    ok(body[chatbell.UserSettings](example("settings", exampleUserSettings))),
	}
)

var (
	docGetChannelSettings = openapi.Operation{
		ID: "getChannelSettings", Tag: tagSettings, Summary: "Read a user's settings for a channel", Description: readsSettings,
		Parameters: []any{userPath{}, channelPath{}},
		Answers:    ok(body[chatbell.ChannelSettings](example("settings", exampleChannelSettings))),
	}
	docPutChannelSettings = openapi.Operation{
		ID: "putChannelSettings", Tag: tagSettings, Summary: "Replace a user's settings for a channel", Description: putsSettings,
		Parameters: []any{userPath{}, channelPath{}},
		Request:    &openapi.Body{Content: body[chatbell.ChannelSettings](example("settings", exampleChannelSettings))},
		Answers:    ok(body[chatbell.ChannelSettings](example("settings", exampleChannelSettings))),
	}
	docPatchChannelSettings = openapi.Operation{
		ID: "patchChannelSettings", Tag: tagSettings, Summary: "Merge into a user's settings for a channel", Description: mergesSettings,
		Parameters: []any{userPath{}, channelPath{}},
		Request:    merge7396[chatbell.ChannelSettings](`{"mentions_only":null}`),
		Answers:    ok(body[chatbell.ChannelSettings](example("settings", `{"enabled":true}`))),
	}
)
