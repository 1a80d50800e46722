package jetstream

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
)

const (
	// headerUUID carries watermill's message id; the broker's own id header is spent on
	// deduplication and may be absent on what others publish.
	headerUUID = "Chatbell-Uuid"
	// Headers of a dead letter.
	headerDeadReason   = "Chatbell-Dead-Reason"
	headerDeadSubject  = "Chatbell-Dead-Subject"
	headerDeadSequence = "Chatbell-Dead-Sequence"
)

// delivery is one handing-out of a message, known to its handler by the message's
// context.
type delivery struct {
	sequence   uint64
	deliveries int
	redelivery Redelivery
	key        string
	gate       *gate
	delay      atomic.Int64 // nanoseconds; 0 means the subscriber's default
	dead       atomic.Pointer[string]
}

type deliveryKey struct{}

func deliveryOf(m *message.Message) *delivery {
	d, _ := m.Context().Value(deliveryKey{}).(*delivery)
	return d
}

func withDelivery(ctx context.Context, d *delivery) context.Context {
	return context.WithValue(ctx, deliveryKey{}, d)
}

// Sequence is the message's place in its stream; 0 for a message that came from
// elsewhere.
func Sequence(m *message.Message) uint64 {
	if d := deliveryOf(m); d != nil {
		return d.sequence
	}
	return 0
}

// Deliveries is how often handlers of this process got the message, this time
// included.
func Deliveries(m *message.Message) int {
	if d := deliveryOf(m); d != nil {
		return d.deliveries
	}
	return 1
}

// Release opens the gate for the next message of the same key, before this one is
// acknowledged. It may be called any number of times.
func Release(m *message.Message) {
	if d := deliveryOf(m); d != nil && d.gate != nil {
		d.gate.release(d.key, d.sequence)
	}
}

// SetNackDelay says when the message comes again if it is handed back.
func SetNackDelay(m *message.Message, after time.Duration) {
	if d := deliveryOf(m); d != nil {
		d.delay.Store(int64(after))
	}
}

// SetDead says that no repetition can help: when the message is handed back it goes
// to the dead letters, with the reason.
func SetDead(m *message.Message, reason string) {
	if d := deliveryOf(m); d != nil {
		d.dead.Store(&reason)
	}
}

// marshal makes the broker's message. The id is what the stream deduplicates by.
func marshal(topic string, m *message.Message) *nats.Msg {
	h := make(nats.Header, len(m.Metadata)+2)
	h[headerUUID] = []string{m.UUID}
	h[nats.MsgIdHdr] = []string{m.UUID}
	for k, v := range m.Metadata {
		h[k] = []string{v}
	}
	return &nats.Msg{Subject: topic, Header: h, Data: m.Payload}
}

// unmarshal makes watermill's message. A header with several values, which
// watermill has no form for, keeps its first.
func unmarshal(h nats.Header, data []byte) *message.Message {
	m := message.NewMessage("", data)
	for k, v := range h {
		switch {
		case len(v) == 0, k == nats.MsgIdHdr:
		case k == headerUUID:
			m.UUID = v[0]
		default:
			m.Metadata[k] = v[0]
		}
	}
	if m.UUID == "" {
		m.UUID = h.Get(nats.MsgIdHdr)
	}
	return m
}
