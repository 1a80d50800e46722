package amity

import (
	"strings"

	"chatbell"
)

// The modules of Amity's settings.
const (
	moduleChat   = chatbell.ModuleChat
	moduleSocial = chatbell.Module("social")
	moduleVideo  = chatbell.Module("video-streaming")
)

// modules lists them.
var modules = []chatbell.Module{moduleChat, moduleSocial, moduleVideo}

// chatEvents are the names of chat events in Amity's settings, in the order in which they
// are listed.
var chatEvents = []string{
	"channel.created", "channel.joined", "conversation-channel.joined",
	"message.created", "text-message.created", "image-message.created", "file-message.created",
	"conversation-message.created", "conversation-text-message.created", "conversation-image-message.created", "conversation-file-message.created",
	"text-mention-message.created",
}

// otherEvents are the names of which chatbell has no events: what is set for them is kept.
var otherEvents = []string{
	"post.created", "post.approved", "post.need-reviewing", "post.reacted", "text-mention-post.created", "text-mention-user-feed-post.created",
	"video-streaming-post.created", "comment.created", "comment.replied", "comment.reacted", "text-mention-comment.created",
	"text-mention-comment.replied", "text-mention-user-feed-comment.created", "text-mention-user-feed-comment.replied",
	"follow.created", "follow.requested", "follow.accepted", "community.roleAdded", "community.updated", "story.created", "story.reacted",
	"story-comment.created", "event.created", "event.started", "event.reminder", "video-streaming.didStart",
}

// aliases are other names of an event, from older texts of Amity's.
var aliases = map[string]string{"chat.newMessage": "message.created"}

// eventName is a name of Amity's and what it is here.
type eventName struct {
	amity  string
	typ    chatbell.EventType // in small letters, as our event types are
	module chatbell.Module
}

// byName and byType find a name.
var byName, byType = namesTable()

func namesTable() (map[string]eventName, map[chatbell.EventType]eventName) {
	names := map[string]eventName{}
	types := map[chatbell.EventType]eventName{}
	add := func(name string, module chatbell.Module) {
		one := eventName{amity: name, typ: chatbell.EventType(strings.ToLower(name)), module: module}
		names[name] = one
		types[one.typ] = one
	}
	for _, name := range chatEvents {
		add(name, moduleChat)
	}
	for _, name := range otherEvents {
		if strings.HasPrefix(name, "video-streaming.") {
			add(name, moduleVideo)
			continue
		}
		add(name, moduleSocial)
	}
	for alias, name := range aliases {
		names[alias] = names[name]
	}
	return names, types
}
