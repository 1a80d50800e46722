package amity

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"chatbell"
	"chatbell/handlers/web"
)

// Amity's entities, as far as events are made of them. Older and newer forms of one thing
// stand side by side.

type channelEntity struct {
	ChannelID        string    `json:"channelId"`
	DisplayName      string    `json:"displayName"`
	Type             string    `json:"type"`
	NotificationMode string    `json:"notificationMode"`
	CreatorID        string    `json:"creatorId"` // where Amity says it
	CreatedAt        time.Time `json:"createdAt"`
	UpdatedAt        time.Time `json:"updatedAt"`
	IsDeleted        bool      `json:"isDeleted"`
}

type userEntity struct {
	InternalID  string          `json:"_id"`
	UserID      string          `json:"userId"`
	DisplayName string          `json:"displayName"`
	Roles       []string        `json:"roles"`
	UserType    string          `json:"userType"`
	IsGlobalBan *bool           `json:"isGlobalBan"`
	IsBanned    *bool           `json:"isGlobalBanned"`
	IsDeleted   bool            `json:"isDeleted"`
	Metadata    json.RawMessage `json:"metadata"`
	UpdatedAt   time.Time       `json:"updatedAt"`
}

type messageEntity struct {
	MessageID      string          `json:"messageId"`
	ParentID       string          `json:"parentId"`
	ChannelID      string          `json:"channelId"`
	ChannelType    string          `json:"channelType"`
	UserID         string          `json:"userId"`
	CreatorID      string          `json:"creatorId"` // v5, where it may be the internal one
	Type           string          `json:"type"`
	DataType       string          `json:"dataType"` // v5
	Data           json.RawMessage `json:"data"`
	Metadata       json.RawMessage `json:"metadata"`
	Mentionees     []mentionEntity `json:"mentionees"`
	MentionedUsers []mentionEntity `json:"mentionedUsers"` // v5
	CreatedAt      time.Time       `json:"createdAt"`
	UpdatedAt      time.Time       `json:"updatedAt"`
	EditedAt       time.Time       `json:"editedAt"`
}

type mentionEntity struct {
	Type          string   `json:"type"`
	UserIDs       []string `json:"userIds"`
	UserPublicIDs []string `json:"userPublicIds"` // v5
}

// place is where something stands in a body.
func place(parent string, i int) string { return fmt.Sprintf("%s/%d", parent, i) }

// maxEntities bounds the elements of one list of a body.
const maxEntities = 10_000

// entities reads a list of entities that is an array, or one of them alone. It notes what
// is wrong with each by its place.
func entities[T any](check *web.Checker, at string, raw json.RawMessage) []T {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var list []json.RawMessage
	single := raw[0] != '['
	if single {
		list = []json.RawMessage{raw}
	} else if err := json.Unmarshal(raw, &list); err != nil {
		check.Add(at, "must be an array")
		return nil
	}
	if len(list) > maxEntities {
		check.Add(at, "must have at most %d elements", maxEntities)
		return nil
	}
	out := make([]T, len(list))
	for i, one := range list {
		here := place(at, i)
		if single {
			here = at
		}
		if len(one) == 0 || one[0] != '{' {
			check.Add(here, "must be an object")
			continue
		}
		if err := json.Unmarshal(one, &out[i]); err != nil {
			wrong := web.JSONError(err, one, &out[i])
			check.Add(here+wrong.Pointer, "%s", wrong.Detail)
			continue
		}
		for _, wrong := range web.CheckOutline(one) {
			check.Add(here+wrong.Pointer, "%s", wrong.Detail)
		}
	}
	return out
}

// ref is the channel as an event mentions it. A mode that is not known says nothing.
func (c *channelEntity) ref(check *web.Checker, at string) chatbell.ChannelRef {
	check.ID(at+"/channelId", c.ChannelID)
	check.Short(at+"/type", c.Type, chatbell.MaxIDLength)
	mode := chatbell.NotificationMode(strings.ToLower(c.NotificationMode))
	if !slices.Contains(chatbell.NotificationModes[:], mode) {
		mode = ""
	}
	return chatbell.ChannelRef{ID: chatbell.ChannelID(c.ChannelID), Name: cut(c.DisplayName), Type: c.Type, Mode: mode}
}

// person is a user as an event mentions them.
func (u *userEntity) person() chatbell.Person {
	person := chatbell.Person{ID: chatbell.UserID(u.UserID), Name: cut(u.DisplayName)}
	var own struct{ Locale, Timezone string }
	if json.Unmarshal(u.Metadata, &own) != nil { // metadata is the customer's own: whatever else it is says nothing to us
		return person
	}
	if _, err := language.Parse(own.Locale); err == nil && len(own.Locale) <= maxLocale {
		person.Locale = own.Locale
	}
	if _, err := time.LoadLocation(own.Timezone); err == nil && own.Timezone != "Local" {
		person.Timezone = own.Timezone
	}
	return person
}

const maxLocale = 64

// roles are the user's in the whole network, with those by which visitors, bots and the
// banned are known. It is nil where nothing is said of any.
func (u *userEntity) roles() []string {
	roles := slices.Clone(u.Roles)
	switch strings.ToLower(u.UserType) {
	case "visitor":
		roles = append(roles, chatbell.RoleVisitor)
	case "bot":
		roles = append(roles, chatbell.RoleBot)
	}
	if u.banned() {
		roles = append(roles, chatbell.RoleBanned)
	}
	return roles
}

func (u *userEntity) banned() bool {
	return u.IsGlobalBan != nil && *u.IsGlobalBan || u.IsBanned != nil && *u.IsBanned
}

// allRoles are the roles for a change of the user: one that has none, where something is
// said of them, gets one that means nothing, because an empty list would leave an earlier
// ban as it was.
func (u *userEntity) allRoles() []string {
	roles := u.roles()
	said := u.Roles != nil || u.UserType != "" || u.IsGlobalBan != nil || u.IsBanned != nil
	if len(roles) == 0 && said {
		return []string{chatbell.RoleNone}
	}
	return roles
}

// cut shortens a name that is longer than names may be: an event is worth more than the
// end of its name.
func cut(name string) string {
	if len(name) <= web.MaxName { // bytes are never fewer than characters
		return name
	}
	return string([]rune(name)[:min(web.MaxName, len([]rune(name)))])
}

// kind is the message's type in our words; what we have no word for is custom.
func (m *messageEntity) kind() chatbell.MessageType {
	name := m.Type
	if name == "" {
		name = m.DataType
	}
	if kind := chatbell.MessageType(name); slices.Contains(chatbell.MessageTypes[:], kind) {
		return kind
	}
	return chatbell.MessageCustom
}

// message is the message's content. A text's own data is its metadata.
func (m *messageEntity) message(check *web.Checker, at string, people *people) *chatbell.Message {
	out := &chatbell.Message{ID: m.MessageID, Type: m.kind(), ThreadID: m.ParentID}
	check.ID(at+"/messageId", m.MessageID)
	check.Short(at+"/parentId", m.ParentID, chatbell.MaxIDLength)
	var data struct {
		Text any `json:"text"`
	}
	_ = json.Unmarshal(m.Data, &data) // data of a custom message may be anything
	out.Text, _ = data.Text.(string)
	check.Short(at+"/data/text", out.Text, maxText)
	out.Data = own(m.Data)
	if out.Type == chatbell.MessageText {
		out.Data = own(m.Metadata)
	}
	m.mentions(check, at, people, out)
	return out
}

// maxText bounds a message's text, in characters, as at Amity.
const maxText = 20000

// own is the customer's own JSON; null is none.
func own(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// mentions are the users whom a message names.
func (m *messageEntity) mentions(check *web.Checker, at string, people *people, out *chatbell.Message) {
	where := at + "/mentionees"
	list := m.Mentionees
	if len(list) == 0 {
		where = at + "/mentionedUsers"
		list = m.MentionedUsers
	}
	for i, mention := range list {
		if mention.Type == "channel" {
			out.MentionsChannel = true
			continue
		}
		name, ids := "/userPublicIds", mention.UserPublicIDs
		if len(ids) == 0 {
			name, ids = "/userIds", mention.UserIDs
		}
		for j, id := range ids {
			id = people.public(id)
			check.ID(place(place(where, i)+name, j), id)
			out.Mentions = append(out.Mentions, chatbell.UserID(id))
		}
	}
	if len(out.Mentions) > chatbell.MaxEventMembers {
		check.Add(where, "must name at most %d users", chatbell.MaxEventMembers)
	}
}

// people are the users of a body, by each id that Amity has for them.
type people struct {
	list []userEntity
	by   map[string]*userEntity
}

func newPeople(check *web.Checker, at string, list []userEntity) *people {
	p := &people{list: list, by: make(map[string]*userEntity, 2*len(list))}
	for i := range list {
		user := &list[i]
		check.Roles(place(at, i)+"/roles", user.Roles)
		if _, taken := p.by[user.InternalID]; user.InternalID != "" && !taken {
			p.by[user.InternalID] = user
		}
	}
	for i := range list { // an id of apps goes before an internal one
		p.by[list[i].UserID] = &list[i]
	}
	return p
}

// public is the id by which apps know a user of whom some id is known.
func (p *people) public(id string) string {
	if user := p.by[id]; user != nil && user.UserID != "" {
		return user.UserID
	}
	return id
}

// actor is somebody who does something, with the roles that toggles ask for.
func (p *people) actor(check *web.Checker, at, id string) chatbell.Person {
	if id == "" {
		return chatbell.Person{}
	}
	person := p.person(id)
	check.ID(at, string(person.ID))
	if user := p.by[id]; user != nil {
		person.Roles = user.roles()
	}
	return person
}

// person is somebody with the name that the body gives them.
func (p *people) person(id string) chatbell.Person {
	if user := p.by[id]; user != nil && user.UserID != "" {
		return user.person()
	}
	return chatbell.Person{ID: chatbell.UserID(id)}
}
