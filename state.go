package chatbell

import "time"

// User is a person of a network.
type User struct {
	ID       UserID   `json:"id" required:"true" description:"The user's id in the chat backend."`
	Name     string   `json:"name,omitempty" maxLength:"1000" description:"What others see, also in notifications."`
	Locale   string   `json:"locale,omitempty" maxLength:"64" description:"The user's language, a BCP 47 tag such as en or pt-BR; a device's own goes before it."`
	Timezone string   `json:"timezone,omitempty" description:"The user's IANA time zone, such as Europe/Berlin, for quiet hours."`
	Roles    []string `json:"roles,omitempty" maxItems:"100" itemMinLength:"1" itemMaxLength:"150" description:"The user's roles, which toggles can ask for."`
}

// Roles that say what kind of user somebody is, in a name space of their own, so that a
// network's own role "bot" means what the network means by it. Visitors, bots, and who is
// banned from the whole network are never told anything.
const (
	RoleVisitor = "amity:visitor"
	RoleBot     = "amity:bot"
	RoleBanned  = "amity:banned"
	// RoleNone is a user's who has no other where an empty list would say nothing.
	RoleNone = "amity:user"
)

// Channel is where messages are exchanged.
type Channel struct {
	ID               ChannelID        `json:"id" required:"true" description:"The channel's id in the chat backend."`
	Name             string           `json:"name,omitempty" maxLength:"1000" description:"What people see, also in notifications."`
	Type             string           `json:"type,omitempty" maxLength:"150" description:"The chat backend's own kind of channel, for example community."`
	NotificationMode NotificationMode `json:"notification_mode,omitempty" description:"Whom the channel's events notify: everybody who has not opted out (default), nobody (silent), or who has opted in (subscribe)."`
}

// Member is a user of a channel.
type Member struct {
	User
	// ChannelRoles are the roles within the channel.
	ChannelRoles []string `json:"channel_roles,omitempty"`
}

// Provider is a push service.
type Provider string

// The push services. Which of them can be used depends on what is configured.
const (
	ProviderAPNs    Provider = "apns"
	ProviderFCM     Provider = "fcm"
	ProviderWebPush Provider = "webpush"
	ProviderHMS     Provider = "hms"
)

// Platform is what a device runs.
type Platform string

// The platforms.
const (
	PlatformIOS     Platform = "ios"
	PlatformAndroid Platform = "android"
	PlatformWeb     Platform = "web"
)

// Platforms lists every platform.
var Platforms = [...]Platform{PlatformIOS, PlatformAndroid, PlatformWeb}

// Device is one push token. A device belongs to one user at a time; the last
// registration wins.
type Device struct {
	ID       DeviceID          `json:"device_id"`
	User     UserID            `json:"user,omitempty"`
	Provider Provider          `json:"provider"`
	Platform Platform          `json:"platform,omitempty"`
	Token    string            `json:"token"`
	App      string            `json:"app,omitempty"`
	Locale   string            `json:"locale,omitempty"`
	Timezone string            `json:"timezone,omitempty"`
	Sandbox  bool              `json:"sandbox,omitempty"`
	Meta     map[string]string `json:"meta,omitempty"`
	// RegisteredAt is when this token was last registered. A provider's word that the
	// token was dead before then is about an older registration.
	RegisteredAt time.Time `json:"registered_at,omitzero"`
	// Disabled is set when the provider called the token invalid; registering clears it.
	Disabled Reason `json:"disabled,omitempty"`
}

// DeliveryMode is how a network's notifications leave.
type DeliveryMode string

// The delivery modes.
const (
	DeliverDirect  DeliveryMode = "direct"
	DeliverWebhook DeliveryMode = "webhook"
	DeliverBoth    DeliveryMode = "both"
)
