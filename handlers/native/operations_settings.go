package native

import (
	"chatbell"
	"chatbell/handlers/web"
	"chatbell/handlers/web/openapi"
)

const (
	putsSettings   = "Makes the settings exactly these; what is absent inherits. They hold for every event that is matched after the answer."
	mergesSettings = "Merges a patch (RFC 7396) into the settings: what is absent stays, null takes away, a list is replaced as a whole."
	readsSettings  = "Reads the settings; what was never set inherits."
)

// settings are the operations on the settings of one level.
type settings struct{ get, put, patch openapi.Operation }

// level is a level of settings: whose they are in words and in the operations' names, an
// example, a patch, and what comes of that.
type level struct{ whose, name, example, patch, patched string }

func settingsOf[T any](l level, parameters ...any) settings {
	read := web.Done(web.Body[T](web.Example("settings", l.example)))
	patch := openapi.Content{Media: web.MediaMerge, Schema: openapi.MergePatch[T](), Examples: []openapi.Example{web.Example("patch", l.patch)}}
	return settings{
		get: openapi.Operation{
			ID: "get" + l.name, Tag: tagSettings, Summary: "Read " + l.whose, Description: readsSettings,
			Parameters: parameters,
			Answers:    read,
		},
		put: openapi.Operation{
			ID: "put" + l.name, Tag: tagSettings, Summary: "Replace " + l.whose, Description: putsSettings,
			Parameters: parameters,
			Request:    &openapi.Body{Content: web.Body[T](web.Example("settings", l.example))},
			Answers:    read,
		},
		patch: openapi.Operation{
			ID: "patch" + l.name, Tag: tagSettings, Summary: "Merge into " + l.whose, Description: mergesSettings,
			Parameters: parameters,
			Request:    &openapi.Body{Content: []openapi.Content{patch}},
			Answers:    web.Done(web.Body[T](web.Example("settings", l.patched))),
		},
	}
}

var docNetworkSettings = settingsOf[chatbell.Toggles](level{
	whose:   "the network's settings",
	name:    "NetworkSettings",
	example: exampleNetworkSettings,
	patch:   `{"enabled":false}`,
	patched: `{"enabled":false}`,
})

var docUserSettings = settingsOf[chatbell.UserSettings](level{
	whose:   "a user's settings",
	name:    "UserSettings",
	example: exampleUserSettings,
	patch:   `{"snooze_until":null,"quiet_hours":{"from":"23:00","to":"06:30"}}`,
	patched: exampleUserSettings,
}, userPath{})

var docChannelSettings = settingsOf[chatbell.ChannelSettings](level{
	whose:   "a user's settings for a channel",
	name:    "ChannelSettings",
	example: exampleChannelSettings,
	patch:   `{"mentions_only":null}`,
	patched: `{"enabled":true}`,
}, userPath{}, channelPath{})
