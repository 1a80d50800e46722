package rules

import (
	"slices"

	"chatbell"
)

// Unreachable is the role by which a person is never told; empty when there is none. Such
// people may have no device.
func Unreachable(roles []string) string {
	for _, role := range roles {
		if role == chatbell.RoleVisitor || role == chatbell.RoleBot || role == chatbell.RoleBanned {
			return role
		}
	}
	return ""
}

// typeConversation is a channel of two, or a few, in Amity's words.
const typeConversation = "conversation"

// kinds are the kinds of messages for which Amity has event names of their own.
var kinds = map[chatbell.MessageType]string{
	chatbell.MessageText: "text", chatbell.MessageImage: "image", chatbell.MessageFile: "file",
}

// Names are what an event is called in the toggles, for a person whom it mentions or does
// not: the finest first, last its type. The finer names are Amity's.
func Names(event *chatbell.Event, channelType string, mentioned bool) []chatbell.EventType {
	var names []chatbell.EventType
	conversation := ""
	if channelType == typeConversation {
		conversation = "conversation-"
	}
	add := func(name string) { names = append(names, chatbell.EventType(name)) }
	switch event.Type {
	case chatbell.MessageCreated:
		kind := ""
		if event.Message != nil {
			kind = kinds[event.Message.Type]
		}
		if mentioned && kind == "text" {
			add("text-mention-message.created")
		}
		if kind != "" {
			add(conversation + kind + "-message.created")
		}
		if conversation != "" {
			add("conversation-message.created")
		}
	case chatbell.ChannelJoined:
		if conversation != "" {
			add("conversation-channel.joined")
		}
	default: // the others have no finer names
	}
	return append(names, event.Type)
}

// namesFor are the event's names for one person.
func (c *Context) namesFor(r *chatbell.Recipient) []chatbell.EventType {
	named := mentioned(c.Event, r.User.ID)
	known := &c.names[0]
	if named {
		known = &c.names[1]
	}
	if *known == nil {
		kind := c.Event.Channel.Type
		if kind == "" {
			kind = c.Channel.Type
		}
		*known = Names(c.Event, kind, named)
	}
	return *known
}

// eventOff asks the finest of the event's names that is switched on or off. Where it is
// listed twice, an off counts whatever the other says.
func (c *Context) eventOff(t *chatbell.Toggles, r *chatbell.Recipient) bool {
	for _, name := range c.namesFor(r) {
		said := false
		for i := range t.Events {
			if t.Events[i].Name != name || t.Events[i].Enabled == nil {
				continue
			}
			if isOff(t.Events[i].Enabled) {
				return true
			}
			said = true
		}
		if said {
			return false
		}
	}
	return false
}

// eventFiltered asks the finest of the event's names that has roles. Where it is listed
// twice, the actor must pass both.
func (c *Context) eventFiltered(t *chatbell.Toggles, r *chatbell.Recipient) bool {
	for _, name := range c.namesFor(r) {
		has := func(e chatbell.EventToggle) bool { return e.Name == name && !e.Roles.IsZero() }
		if slices.ContainsFunc(t.Events, has) {
			return slices.ContainsFunc(t.Events, func(e chatbell.EventToggle) bool {
				return has(e) && !passes(e.Roles, c.Event.Actor.Roles)
			})
		}
	}
	return false
}
