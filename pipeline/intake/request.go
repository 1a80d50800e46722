package intake

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/work"
)

// Request is what a surface hands in, checked: the pipeline finds nothing wrong with it.
type Request struct {
	// Kind names the planner that works it off.
	Kind    work.Kind
	Network chatbell.NetworkID
	// ID is the idempotency key: a second request of the same network and kind with it is a
	// duplicate within dedup_window. It holds no control characters.
	ID string
	// Key orders requests: those with the same one are planned in the order of their
	// acceptance.
	Key string
	// Payload is what the kind's planner reads.
	Payload []byte
}

// Event makes a request of a chat event.
func Event(e *chatbell.Envelope) (Request, error) {
	payload, err := json.Marshal(e)
	if err != nil {
		return Request{}, fmt.Errorf("encode event %s: %w", e.Event.ID, err)
	}
	return Request{
		Kind:    work.KindEvent,
		Network: e.Network,
		ID:      string(e.Event.ID),
		Key:     e.Key(),
		Payload: payload,
	}, nil
}

// messageID is what the broker knows the request by. It is a hash, so that networks and
// kinds cannot collide; that of an event is part of what is stored and must not change.
func (r *Request) messageID() string {
	if r.Kind == work.KindEvent {
		return chatbell.EventKey(r.Network, chatbell.EventID(r.ID))
	}
	sum := sha256.Sum256([]byte(string(r.Network) + "\x00" + r.ID + "\x00" + string(r.Kind)))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// message is the request on its way through the broker.
func (r *Request) message() *message.Message {
	m := message.NewMessage(r.messageID(), r.Payload)
	work.SetKey(m, r.Key)
	if r.Kind != work.KindEvent { // an event's need not be said
		work.SetKind(m, r.Kind)
	}
	return m
}

// subject is where the request waits.
func (r *Request) subject() string { return work.Subject(work.StreamEvents, r.Key, r.Network) }
