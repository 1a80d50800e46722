package pipeline

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"chatbell"
)

// Destination is where work goes: one credential of one network, or one endpoint.
// Each destination has a queue of its own.
type Destination struct {
	Network  chatbell.NetworkID  `json:"network"`
	Provider chatbell.Provider   `json:"provider,omitempty"`
	App      string              `json:"app,omitempty"`
	Endpoint chatbell.EndpointID `json:"endpoint,omitempty"`
}

// String names the destination in logs, metrics and the store.
func (d Destination) String() string {
	if d.Endpoint != "" {
		return fmt.Sprintf("%s/webhook/%s", d.Network, d.Endpoint)
	}
	return fmt.Sprintf("%s/%s/%s", d.Network, d.Provider, d.App)
}

// Kind is the kind of target behind the destination.
func (d Destination) Kind() chatbell.TargetKind {
	if d.Endpoint != "" {
		return chatbell.TargetWebhook
	}
	return chatbell.TargetKind(d.Provider)
}

// Batch is work for one destination: one notification, its texts, and whom it goes
// to. For a push each target is a try of its own; for a webhook the whole batch is
// one call.
type Batch struct {
	// ID is the same however often the batch is handed out; it is also the webhook-id.
	ID           string                `json:"id"`
	Notification chatbell.Notification `json:"notification"`
	Destination  Destination           `json:"destination"`
	// Texts are the languages that the targets need, each once.
	Texts   []chatbell.Text `json:"texts"`
	Targets []Target        `json:"targets"`
	// MessageID is the chat message that the notification is about, if any.
	MessageID string `json:"message_id,omitempty"`
	Badge     *int   `json:"badge,omitempty"`
	// Call is what a webhook needs besides; nil for a push.
	Call *Call `json:"call,omitempty"`
	// Boot names the process that wrote a batch which waited in the store; another
	// process cannot know whether it was already handed out.
	Boot string `json:"boot,omitempty"`
	// Waits counts how often the batch was put into the store to wait. Without it a
	// second wait would be taken for a repeat of the first, and dropped.
	Waits uint32 `json:"waits,omitempty"`
	// Repeat says that the work behind the batch may have been handed out before.
	Repeat bool `json:"repeat,omitempty"`
}

// Target is one device, or one person to be named in a webhook call.
type Target struct {
	User     chatbell.UserID   `json:"u"`
	Device   chatbell.DeviceID `json:"d,omitempty"`
	Token    string            `json:"t,omitempty"`
	Platform chatbell.Platform `json:"p,omitempty"`
	Sandbox  bool              `json:"s,omitempty"`
	// Text is the index of the target's language in the batch's texts.
	Text int `json:"l,omitempty"`
	// Attempts counts the tries so far.
	Attempts uint32 `json:"a,omitempty"`
	// Doubt says that the fate of an earlier try is unknown.
	Doubt bool `json:"q,omitempty"`
}

// Call is the part of a webhook's body that is not the text.
type Call struct {
	// Raw says that the call hands over the event itself and tells nobody's notification.
	Raw bool `json:"raw,omitempty"`
	// Event is the chat backend's event, for the entities of the body.
	Event chatbell.Event `json:"event"`
	// Page counts from 1 to Pages where one call cannot name everybody.
	Page  int `json:"page"`
	Pages int `json:"pages"`
}

// deliveryID is the id of the batch's notification at one of its targets.
func (b *Batch) deliveryID(t *Target) chatbell.UUID {
	kind, name := string(b.Destination.Kind()), string(t.Device)
	if b.Destination.Endpoint != "" {
		name = string(b.Destination.Endpoint)
	}
	n := &b.Notification
	return chatbell.NewDeliveryID(n.Network, n.EventID, n.Rule, n.SubjectID, t.User, kind+":"+name)
}

// seal gives the batch its id, which depends on all that it says: a repeat that
// says the same has the same id, and the broker drops it.
func (b *Batch) seal() error {
	b.ID = ""
	data, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encode batch for %s: %w", b.Destination, err)
	}
	sum := sha256.Sum256(data)
	b.ID = base64.RawURLEncoding.EncodeToString(sum[:16])
	return nil
}

// decodeBatch reads what seal and the stages wrote.
func decodeBatch(data []byte) (*Batch, error) {
	b := new(Batch)
	if err := json.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("decode batch: %w", err)
	}
	for i := range b.Targets {
		if l := b.Targets[i].Text; l < 0 || l >= len(b.Texts) {
			return nil, fmt.Errorf("decode batch: target %d names text %d of %d", i, l, len(b.Texts))
		}
	}
	return b, nil
}
