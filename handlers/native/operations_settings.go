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

func settingsOf[T any](lvl level, parameters ...any) settings {
	read := web.Done(web.Body[T](web.Example("settings", lvl.example)))
	patch := openapi.Content{
		Media:    web.MediaMerge,
		Schema:   openapi.MergePatch[T](),
		Examples: []openapi.Example{web.Example("patch", lvl.patch)},
	}
	return settings{
		get: openapi.Operation{
			ID:          "get" + lvl.name,
			Tag:         tagSettings,
			Summary:     "Read " + lvl.whose,
			Description: readsSettings,
			Parameters:  parameters,
			Answers:     read,
		},
		put: openapi.Operation{
			ID:          "put" + lvl.name,
			Tag:         tagSettings,
			Summary:     "Replace " + lvl.whose,
			Description: putsSettings,
			Parameters:  parameters,
			Request:     &openapi.Body{Content: web.Body[T](web.Example("settings", lvl.example))},
			Answers:     read,
		},
		patch: openapi.Operation{
			ID:          "patch" + lvl.name,
			Tag:         tagSettings,
			Summary:     "Merge into " + lvl.whose,
			Description: mergesSettings,
			Parameters:  parameters,
			Request:     &openapi.Body{Content: []openapi.Content{patch}},
			Answers:     web.Done(web.Body[T](web.Example("settings", lvl.patched))),
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
