package native

import (
	"time"

	"chatbell"
	"chatbell/handlers/web"
)

// What follows are the bodies that the API reads and writes, where they are not the
// root package's own types. /openapi.json is made from them: a tag is documentation.

// userInput is a user as a caller puts them: the id is in the path.
type userInput struct {
	ID       chatbell.UserID `json:"id,omitempty" minLength:"0" description:"May be left out; otherwise it must be the id in the path."`
	Name     string          `json:"name,omitempty" maxLength:"1000" description:"What others see, also in notifications."`
	Locale   string          `json:"locale,omitempty" maxLength:"64" description:"The user's language, a BCP 47 tag such as en or pt-BR; a device's own goes before it."`
	Timezone string          `json:"timezone,omitempty" description:"The user's IANA time zone, such as Europe/Berlin, for quiet hours."`
	Roles    []string        `json:"roles,omitempty" maxItems:"100" itemMinLength:"1" itemMaxLength:"150" description:"The user's roles, which toggles can ask for."`
}

// channelInput is a channel as a caller puts it: the id is in the path.
type channelInput struct {
	ID               chatbell.ChannelID        `json:"id,omitempty" minLength:"0" description:"May be left out; otherwise it must be the id in the path."`
	Name             string                    `json:"name,omitempty" maxLength:"1000" description:"What people see, also in notifications."`
	Type             string                    `json:"type,omitempty" maxLength:"150" description:"The chat backend's own kind of channel, for example community."`
	NotificationMode chatbell.NotificationMode `json:"notification_mode,omitempty" description:"Whom the channel's events notify: everybody who has not opted out (default), nobody (silent), or who has opted in (subscribe). Absent is default."`
}

// member is a user of a channel: the roles are those in the channel.
type member struct {
	ID       chatbell.UserID `json:"id" required:"true" description:"The user's id in the chat backend."`
	Name     string          `json:"name,omitempty" maxLength:"1000" description:"What others see, also in notifications."`
	Locale   string          `json:"locale,omitempty" maxLength:"64" description:"The user's language, a BCP 47 tag such as en or pt-BR."`
	Timezone string          `json:"timezone,omitempty" description:"The user's IANA time zone, such as Europe/Berlin."`
	Roles    []string        `json:"roles,omitempty" maxItems:"100" itemMinLength:"1" itemMaxLength:"150" description:"The roles in this channel."`
}

// memberInput is a member as a caller puts one: the id is in the path.
type memberInput struct {
	ID       chatbell.UserID `json:"id,omitempty" minLength:"0" description:"May be left out; otherwise it must be the id in the path."`
	Name     string          `json:"name,omitempty" maxLength:"1000" description:"What others see; absent, the user's name stays as it is."`
	Locale   string          `json:"locale,omitempty" maxLength:"64" description:"The user's language, a BCP 47 tag; absent, it stays as it is."`
	Timezone string          `json:"timezone,omitempty" description:"The user's IANA time zone; absent, it stays as it is."`
	Roles    []string        `json:"roles,omitempty" maxItems:"100" itemMinLength:"1" itemMaxLength:"150" description:"The roles in this channel."`
}

func (m *member) member() chatbell.Member {
	user := chatbell.User{ID: m.ID, Name: m.Name, Locale: m.Locale, Timezone: m.Timezone}
	return chatbell.Member{User: user, ChannelRoles: m.Roles}
}

// check is that of everybody whom a caller puts: a member, or a user alone.
func (m *member) check(k *web.Checker, pointer string) {
	k.Person(pointer, &chatbell.Person{
		ID:       m.ID,
		Name:     m.Name,
		Locale:   m.Locale,
		Timezone: m.Timezone,
		Roles:    m.Roles,
	})
}

// memberPage is a part of a channel's members.
type memberPage struct {
	Members []member `json:"members" required:"true" nullable:"false" description:"The members, in the order of their ids."`
	Next    string   `json:"next_cursor,omitempty" description:"The cursor of the next page; absent on the last one."`
}

// memberCount answers a bulk list.
type memberCount struct {
	Members int `json:"members" required:"true" minimum:"0" description:"How many members the channel has now."`
}

// deviceInput is a device as it is registered.
type deviceInput struct {
	ID       chatbell.DeviceID `json:"device_id,omitempty" minLength:"0" description:"The caller's stable id of the device; absent, the server makes one. Registering it, or its token, again replaces what was registered before."`
	User     chatbell.UserID   `json:"user,omitempty" description:"Whose device it is, until somebody else registers it; the user need not be known. Required, but with a user's own token."`
	Provider chatbell.Provider `json:"provider" required:"true" description:"The push service that the token is of."`
	Platform chatbell.Platform `json:"platform,omitempty" description:"What the device runs; absent, what the provider says."`
	Token    string            `json:"token" required:"true" minLength:"1" maxLength:"1000" description:"The push service's token, in the form that the provider says."`
	App      string            `json:"app,omitempty" maxLength:"150" description:"The app, as a credential of the network names it."`
	Locale   string            `json:"locale,omitempty" maxLength:"64" description:"The device's language, a BCP 47 tag; the user's if absent."`
	Timezone string            `json:"timezone,omitempty" description:"The device's IANA time zone."`
	Sandbox  bool              `json:"sandbox,omitempty" description:"Whether the token is of a development build, for which a push service may have a sandbox."`
	Meta     map[string]string `json:"meta,omitempty" maxProperties:"32" description:"The caller's own notes: names of at most 150 bytes, texts of at most 500."`
}

func (d *deviceInput) device() chatbell.Device {
	return chatbell.Device{
		ID:       d.ID,
		User:     d.User,
		Provider: d.Provider,
		Platform: d.Platform,
		Token:    d.Token,
		App:      d.App,
		Locale:   d.Locale,
		Timezone: d.Timezone,
		Sandbox:  d.Sandbox,
		Meta:     d.Meta,
	}
}

// device is a device as it is kept.
type device struct {
	DeviceID chatbell.DeviceID `json:"id" required:"true" description:"The device's id, as in device_id."`
	deviceInput
	RegisteredAt time.Time       `json:"registered_at" required:"true" description:"When the token was last registered."`
	Disabled     chatbell.Reason `json:"disabled,omitempty" description:"Why nothing is sent to it until it is registered again: what the provider said of the token, for example invalid_token."`
}

func deviceOf(d *chatbell.Device) device {
	return device{
		DeviceID: d.ID, RegisteredAt: d.RegisteredAt, Disabled: d.Disabled,
		deviceInput: deviceInput{
			ID:       d.ID,
			User:     d.User,
			Provider: d.Provider,
			Platform: d.Platform,
			Token:    d.Token,
			App:      d.App,
			Locale:   d.Locale,
			Timezone: d.Timezone,
			Sandbox:  d.Sandbox,
			Meta:     d.Meta,
		},
	}
}

// devicePage is a part of the devices.
type devicePage struct {
	Devices []device `json:"devices" required:"true" nullable:"false" description:"The devices, in the order of their ids."`
	Next    string   `json:"next_cursor,omitempty" description:"The cursor of the next page; absent on the last one."`
}

// registered answers a registration.
type registered struct {
	ID       chatbell.DeviceID `json:"id" required:"true" description:"The device's id."`
	DeviceID chatbell.DeviceID `json:"device_id" required:"true" description:"The same."`
}

// eventResult is the answer for one event.
type eventResult struct {
	ID     string                `json:"id,omitempty" description:"The event's id, or the one that the server made; absent if the event could not be read."`
	Status string                `json:"status" required:"true" enum:"accepted,duplicate,rejected,retry" description:"What became of it: it is durable (accepted), it was already (duplicate), something is wrong with it (rejected), or nobody knows because the broker failed midway (retry: send it again; the id makes that harmless)."`
	Errors []chatbell.FieldError `json:"errors,omitempty" description:"What is wrong with a rejected event."`
}

// eventResults answers a request with events.
type eventResults struct {
	Events []eventResult `json:"events" required:"true" nullable:"false" description:"One for each event, in their order."`
}
