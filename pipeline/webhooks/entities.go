package webhooks

import (
	"bytes"
	"encoding/json"
	"slices"

	"chatbell"
)

// The entities of both kinds of body, in Amity's names. What an event does not say
// is left out.

type channelEntity struct {
	ChannelID   chatbell.ChannelID `json:"channelId"`
	DisplayName string             `json:"displayName,omitempty"`
	Type        string             `json:"type,omitempty"`

	NotificationMode chatbell.NotificationMode `json:"notificationMode,omitempty"`
	CreatorID        chatbell.UserID           `json:"creatorId,omitempty"`
	CreatedAt        stamp                     `json:"createdAt,omitzero"`
	UpdatedAt        stamp                     `json:"updatedAt,omitzero"`
	IsDeleted        bool                      `json:"isDeleted,omitempty"`
}

type userEntity struct {
	UserID      chatbell.UserID `json:"userId"`
	DisplayName string          `json:"displayName,omitempty"`
	Roles       []string        `json:"roles,omitzero"`
	UserType    string          `json:"userType,omitempty"`
	IsGlobalBan bool            `json:"isGlobalBan,omitempty"`
}

type messageEntity struct {
	MessageID  string               `json:"messageId"`
	ChannelID  chatbell.ChannelID   `json:"channelId"`
	UserID     chatbell.UserID      `json:"userId"`
	Type       chatbell.MessageType `json:"type,omitempty"`
	Data       json.RawMessage      `json:"data,omitempty"`
	Metadata   json.RawMessage      `json:"metadata,omitempty"`
	ParentID   string               `json:"parentId,omitempty"`
	Mentionees []mentionees         `json:"mentionees,omitempty"`
	IsDeleted  bool                 `json:"isDeleted,omitempty"`
	CreatedAt  stamp                `json:"createdAt,omitzero"`
	UpdatedAt  stamp                `json:"updatedAt,omitzero"`
	EditedAt   stamp                `json:"editedAt,omitzero"`
}

type mentionees struct {
	Type    string            `json:"type"`
	UserIDs []chatbell.UserID `json:"userIds,omitempty"`
}

func channelsOf(e *chatbell.Event) []channelEntity {
	if e.Channel.ID == "" {
		return []channelEntity{}
	}
	return []channelEntity{{ChannelID: e.Channel.ID, DisplayName: e.Channel.Name, Type: e.Channel.Type, NotificationMode: e.Channel.Mode}}
}

// changedChannel is the channel of an event that is about it, with what happened to it when.
func changedChannel(e *chatbell.Event) []channelEntity {
	list := channelsOf(e)
	for i := range list {
		list[i].UpdatedAt = stamp(e.Time)
		switch e.Type {
		case chatbell.ChannelCreated:
			list[i].CreatorID = e.Actor.ID
			list[i].CreatedAt = stamp(e.Time)
		case chatbell.ChannelDeleted:
			list[i].IsDeleted = true
		default: // what is left is a change
		}
	}
	return list
}

// usersOf leaves out nobody's and repeated entries; the first wins.
func usersOf(people ...chatbell.Person) []userEntity {
	users := make([]userEntity, 0, len(people))
	seen := make(map[chatbell.UserID]bool, len(people))
	for _, person := range people {
		if person.ID == "" || seen[person.ID] {
			continue
		}
		seen[person.ID] = true
		users = append(users, userOf(person))
	}
	return users
}

// userOf is one user. The roles that say what kind of user it is are fields at Amity.
func userOf(person chatbell.Person) userEntity {
	user := userEntity{UserID: person.ID, DisplayName: person.Name}
	for _, role := range person.Roles {
		switch role {
		case chatbell.RoleVisitor:
			user.UserType = "visitor"
		case chatbell.RoleBot:
			user.UserType = "bot"
		case chatbell.RoleBanned:
			user.IsGlobalBan = true
		case chatbell.RoleNone:
			user.Roles = []string{}
		default:
			user.Roles = append(user.Roles, role)
		}
	}
	return user
}

func messagesOf(event *chatbell.Event) []messageEntity {
	message := event.Message
	if message == nil {
		return nil
	}
	out := messageEntity{
		MessageID: message.ID,
		ChannelID: event.Channel.ID,
		UserID:    event.Actor.ID,
		Type:      message.Type,
		ParentID:  message.ThreadID,
		UpdatedAt: stamp(event.Time),
	}
	switch event.Type {
	case chatbell.MessageUpdated:
		out.EditedAt = out.UpdatedAt
	case chatbell.MessageDeleted:
		out.IsDeleted = true
		out.EditedAt = out.UpdatedAt
	default:
		out.CreatedAt = out.UpdatedAt
	}
	if len(message.Mentions) > 0 {
		out.Mentionees = []mentionees{{Type: "user", UserIDs: message.Mentions}}
	}
	if message.MentionsChannel {
		out.Mentionees = append(out.Mentionees, mentionees{Type: "channel"})
	}
	out.Data, out.Metadata = contentOf(message)
	return []messageEntity{out}
}

// contentOf splits a message into Amity's data and metadata. A text's data is the
// text, and its extra data the metadata; the data of any other message is its own,
// with the text, if it has one, beside it.
func contentOf(message *chatbell.Message) (data, metadata json.RawMessage) {
	text, err := encode(message.Text)
	if err != nil {
		return nil, nil // a string always encodes
	}
	own := bytes.TrimSpace(message.Data)
	if !json.Valid(own) {
		own = nil
	}
	isObject := len(own) > 0 && own[0] == '{'
	switch {
	case message.Type == chatbell.MessageText || message.Type == "":
		if isObject {
			metadata = json.RawMessage(own)
		}
		return textOnly(text), metadata
	case message.Text == "":
		return json.RawMessage(own), nil
	case !isObject:
		return textOnly(text), nil
	default:
		return withText(own, text), nil
	}
}

// textOnly is {"text":text}.
func textOnly(text []byte) json.RawMessage {
	return slices.Concat([]byte(`{"text":`), text, []byte("}"))
}

// withText adds the text to an object that has none.
func withText(object, text []byte) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(object, &fields) != nil {
		return object // it was valid and an object
	}
	if _, ok := fields["text"]; ok {
		return object
	}
	fields["text"] = text
	out, err := encode(fields)
	if err != nil {
		return object
	}
	return out
}
