package amity

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"chatbell"
)

// midwayRetry is when a call may come again that the broker took in part.
const midwayRetry = 5 * time.Second

// channels makes an event of each channel of the call, about its members where it is about
// members. Who did it is what the call names there, or who joined or left.
func (r *reading) channels(kind chatbell.EventType, actor string, aboutMembers bool) {
	const at = "/data/channel"
	list := entities[channelEntity](r.check, at, r.data["channel"])
	if len(list) == 0 {
		r.check.Add(at, "must name a channel")
	}
	var members []chatbell.Person
	if aboutMembers {
		members = r.members(kind != chatbell.ChannelCreated)
	}
	actorID := r.text(actor)
	actorAt := "/data/" + actor
	if actor == "" {
		actorAt = "/data/userIds"
	}
	for i := range list {
		channel := &list[i]
		by := actorID
		switch {
		case by != "":
		case kind == chatbell.ChannelCreated:
			by = channel.CreatorID
		case len(members) > 0:
			by = string(members[0].ID)
		}
		event := chatbell.Event{Type: kind, Channel: channel.ref(r.check, place(at, i)), Actor: r.people.actor(r.check, actorAt, by)}
		if kind == chatbell.ChannelUpdated && channel.IsDeleted {
			event.Type = chatbell.ChannelDeleted
		}
		id := []string{channel.ChannelID, r.fingerprint()}
		if kind == chatbell.ChannelCreated {
			id[1] = stamp(channel.CreatedAt)
			event.Time = r.when(place(at, i), channel.CreatedAt)
		} else if !aboutMembers {
			event.Time = r.when(place(at, i), channel.UpdatedAt)
		}
		r.split(&event, id, members)
	}
}

// split adds an event, or several where it has more members than one may have.
func (r *reading) split(event *chatbell.Event, id []string, members []chatbell.Person) {
	event.ID = r.eventID(id...)
	if len(members) <= chatbell.MaxEventMembers {
		event.Members = members
		r.add(event)
		return
	}
	part := 0
	for some := range slices.Chunk(members, chatbell.MaxEventMembers) {
		part++
		event.ID = r.eventID(append(id[:len(id):len(id)], strconv.Itoa(part))...)
		event.Members = some
		r.add(event)
	}
}

// members are whom a channel's event is about: those of userIds, or else all users of the
// call. Their roles in the network are not those in the channel, and are left out.
func (r *reading) members(required bool) []chatbell.Person {
	ids := r.texts("userIds")
	at := "/data/userIds"
	if len(ids) == 0 {
		at = "/data/users"
		for i := range r.people.list {
			ids = append(ids, r.people.list[i].UserID)
		}
	}
	if len(ids) == 0 && required {
		r.check.Add(at, "must name at least one user")
	}
	if len(ids) > maxEntities {
		r.check.Add(at, "must be at most %d", maxEntities)
		return nil
	}
	out := make([]chatbell.Person, len(ids))
	for i, id := range ids {
		out[i] = r.people.person(id)
		r.check.ID(place(at, i), string(out[i].ID))
	}
	return out
}

// messages makes an event of each message of the call. One of a type that Amity has and we
// have not carries what the call does, for a network's own rules.
func (r *reading) messages(kind chatbell.EventType) {
	at := "/data/messages"
	raw := r.data["messages"]
	if feeds := r.data["messageFeeds"]; len(raw) == 0 && len(feeds) > 0 { // as one version of Amity's description has it
		at = "/data/messageFeeds"
		raw = feeds
	}
	list := entities[messageEntity](r.check, at, raw)
	if len(list) == 0 {
		r.check.Add(at, "must have a message")
	}
	known := entities[channelEntity](r.check, "/data/channels", r.data["channels"])
	for i := range list {
		message := &list[i]
		here := place(at, i)
		event := chatbell.Event{Type: kind, Message: message.message(r.check, here, r.people)}
		event.Channel = channelOf(message, known)
		r.check.ID(here+"/channelId", string(event.Channel.ID))
		r.check.Short(here+"/channelType", event.Channel.Type, chatbell.MaxIDLength)
		switch kind {
		case chatbell.MessageCreated:
			event.Time = r.when(here, message.CreatedAt)
			event.ID = r.eventID(message.MessageID)
		case chatbell.MessageUpdated:
			event.Time = r.when(here, message.EditedAt, message.UpdatedAt)
			event.ID = r.eventID(message.MessageID, stamp(event.Time), r.unlessStamped(event.Time))
		case chatbell.MessageDeleted:
			event.Time = r.when(here, message.EditedAt, message.UpdatedAt)
			event.ID = r.eventID(message.MessageID)
		default:
			event.ID = r.eventID(message.MessageID, r.fingerprint())
			event.Data = r.raw
			event.Actor = r.reactor()
			r.add(&event)
			continue
		}
		event.Actor = r.author(here, message)
		r.add(&event)
	}
}

// unlessStamped tells two changes apart that have no time.
func (r *reading) unlessStamped(t time.Time) string {
	if t.IsZero() {
		return r.fingerprint()
	}
	return ""
}

// author is who wrote a message.
func (r *reading) author(at string, message *messageEntity) chatbell.Person {
	name, id := "/userId", message.UserID
	if id == "" && message.CreatorID != "" {
		name, id = "/creatorId", message.CreatorID
	}
	if id == "" {
		r.check.Add(at+name, "is required: it names who wrote the message")
	}
	return r.people.actor(r.check, at+name, id)
}

// reactor is who reacted to a message, where the call says it: as an id or as a user.
func (r *reading) reactor() chatbell.Person {
	raw := r.data["reactor"]
	if len(raw) == 0 || raw[0] != '{' {
		return r.people.actor(r.check, "/data/reactor", r.text("reactor"))
	}
	var user struct {
		UserID string `json:"userId"`
	}
	if json.Unmarshal(raw, &user) != nil {
		r.check.Add("/data/reactor/userId", "must be a string")
	}
	return r.people.actor(r.check, "/data/reactor/userId", user.UserID)
}

// channelOf is a message's channel, with what else the call says of it.
func channelOf(m *messageEntity, known []channelEntity) chatbell.ChannelRef {
	ref := chatbell.ChannelRef{ID: chatbell.ChannelID(m.ChannelID), Type: m.ChannelType}
	for i := range known {
		if known[i].ChannelID == m.ChannelID {
			ref.Name = cut(known[i].DisplayName)
			if ref.Type == "" {
				ref.Type = known[i].Type
			}
		}
	}
	return ref
}

// users makes an event of each user of the call, changed by what the event says itself.
func (r *reading) users(change func(*userEntity)) {
	const at = "/data/users"
	if len(r.people.list) == 0 {
		r.check.Add(at, "must name at least one user")
	}
	for i := range r.people.list {
		user := &r.people.list[i]
		if change != nil {
			change(user)
		}
		person := user.person()
		person.Roles = user.allRoles()
		r.check.ID(place(at, i)+"/userId", user.UserID)
		event := chatbell.Event{
			ID:   r.eventID(user.UserID, r.fingerprint()),
			Type: chatbell.UserUpdated,
			Time: r.when(place(at, i)+"/updatedAt", user.UpdatedAt),
			User: &person,
		}
		if user.IsDeleted {
			event.Type = chatbell.UserDeleted
		}
		r.add(&event)
	}
}
