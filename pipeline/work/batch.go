package work

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/webhooks"
)

// MaxBatch bounds the targets of a push batch: one text per language and some 250
// tokens are about 30 KiB, one database query at send, one page of work to repeat.
const MaxBatch = 256

// MaxCallTargets is how many people one webhook call names.
const MaxCallTargets = webhooks.MaxTargets

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
	// Push is how a push differs from an alert with the texts and chatbell's own data; nil
	// if it does not.
	Push *Push `json:"push,omitempty"`
	// Call is what a webhook needs besides; nil for a push.
	Call *Call `json:"call,omitempty"`
	// Instance names the process that wrote a batch which waited in the store; another
	// process cannot know whether it was already handed out.
	Instance string `json:"boot,omitempty"`
	// Waits counts how often the batch was put into the store to wait. Without it a
	// second wait would be taken for a repeat of the first, and dropped.
	Waits uint32 `json:"waits,omitempty"`
	// Redelivered says that the request behind a batch which waited may have been handed
	// out before. See [Batch.Redelivery].
	Redelivered bool `json:"repeat,omitempty"`
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
	// Probes counts those of them that were made before their time, to find out whether
	// the destination is back.
	Probes uint32 `json:"pr,omitempty"`
	// Doubt says that the fate of an earlier try is unknown.
	Doubt bool `json:"q,omitempty"`
}

// Push is what a push says besides its texts: a background push or a raw payload has
// none to show. See [push.Content] for the fields.
type Push struct {
	Kind     push.Kind         `json:"kind,omitempty"`
	Priority push.Priority     `json:"priority,omitempty"`
	Data     map[string]string `json:"data,omitempty"`
	Payload  json.RawMessage   `json:"payload,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
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

// DeliveryID is the id of the batch's notification at one of its targets.
func (b *Batch) DeliveryID(t *Target) chatbell.UUID {
	kind := string(b.Destination.Kind())
	name := string(t.Device)
	if name == "" && t.Token != "" { // a token of no known device
		sum := sha256.Sum256([]byte(t.Token))
		name = "\x00" + string(sum[:])
	}
	if b.Destination.Endpoint != "" {
		name = string(b.Destination.Endpoint)
	}
	n := &b.Notification
	return chatbell.NewDeliveryID(n.Network, n.EventID, n.Rule, n.SubjectID, t.User, kind+":"+name)
}

// Seal gives the batch its id, which depends on all that it says: a repeat that
// says the same has the same id, and the broker drops it.
func (b *Batch) Seal() error {
	b.ID = ""
	data, err := b.Encode()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	b.ID = base64.RawURLEncoding.EncodeToString(sum[:16])
	return nil
}

// Encode writes the batch for a stream or the store.
func (b *Batch) Encode() ([]byte, error) {
	data, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode batch for %s: %w", b.Destination, err)
	}
	return data, nil
}

// Decode reads a batch that was written to a stream or the store.
func Decode(data []byte) (*Batch, error) {
	batch := new(Batch)
	if err := json.Unmarshal(data, batch); err != nil {
		return nil, fmt.Errorf("decode batch: %w", err)
	}
	for i := range batch.Targets {
		if l := batch.Targets[i].Text; l < 0 || l >= len(batch.Texts) {
			return nil, fmt.Errorf("decode batch: target %d names text %d of %d", i, l, len(batch.Texts))
		}
	}
	return batch, nil
}

// IsRaw reports whether the batch hands over an event instead of notifying anybody.
func (b *Batch) IsRaw() bool { return b.Call != nil && b.Call.Raw }
