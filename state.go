package chatbell

import "time"

// User is a person of a network.
type User struct {
	ID       UserID   `json:"id"`
	Name     string   `json:"name,omitempty"`
	Locale   string   `json:"locale,omitempty"`   // BCP 47
	Timezone string   `json:"timezone,omitempty"` // IANA
	Roles    []string `json:"roles,omitempty"`
}

// Channel is where messages are exchanged.
type Channel struct {
	ID               ChannelID        `json:"id"`
	Name             string           `json:"name,omitempty"`
	Type             string           `json:"type,omitempty"`
	NotificationMode NotificationMode `json:"notification_mode,omitempty"`
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
