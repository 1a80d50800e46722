package push

import (
	"encoding/json"
	"time"
)

// MaxPayload is how many bytes APNs and FCM accept as the payload of one notification.
const MaxPayload = 4096

// Kind is what a push does on the device.
type Kind string

// The kinds of content.
const (
	// Alert is shown to the person. It is the zero value.
	Alert Kind = ""
	// Background wakes the app and shows nothing.
	Background Kind = "background"
	// Raw is a payload in the provider's own words, which is sent as it is.
	Raw Kind = "raw"
)

// Priority is how soon a push is worth waking the device for.
type Priority string

// The priorities.
const (
	// PriorityDefault is high for an alert and normal for a background push. It is the
	// zero value. Raw content says its priority itself.
	PriorityDefault Priority = ""
	// PriorityHigh is at once.
	PriorityHigh Priority = "high"
	// PriorityNormal is when it suits the battery.
	PriorityNormal Priority = "normal"
)

// Content is what is to be pushed, in one language, in no provider's words but for what
// is raw. The zero value of a field leaves it to the provider.
type Content struct {
	Kind Kind
	// Title and Body are what an alert shows. [Fit] shortens them where they are too long.
	Title, Body string
	// Data is handed to the app.
	Data map[string]string
	// Badge is the number on the app's icon; nil leaves it as it is.
	Badge *int

	Priority Priority
	// CollapseID makes a later push replace an earlier one on the device.
	CollapseID string
	// ThreadID groups notifications on the device: the channel.
	ThreadID string
	// ExpiresAt is when the push service may forget what it could not deliver.
	ExpiresAt time.Time

	// Payload is raw content: what the provider's folder says.
	Payload json.RawMessage
	// Headers go with a raw payload where the provider's protocol has any. Names are in
	// lower case. What they say wins over the fields above.
	Headers map[string]string
}

// High reports whether the push is worth waking the device for at once.
func (c *Content) High() bool {
	if c.Priority == PriorityDefault {
		return c.Kind == Alert
	}
	return c.Priority == PriorityHigh
}
