package jetstream

import (
	"context"
	"strconv"
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
	headerDead         = "Chatbell-Dead-"
	headerDeadReason   = headerDead + "Reason"
	headerDeadSubject  = headerDead + "Subject"
	headerDeadSequence = headerDead + "Sequence"
	headerDeadTries    = headerDead + "Tries"
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
	handed, _ := m.Context().Value(deliveryKey{}).(*delivery)
	return handed
}

func withDelivery(ctx context.Context, d *delivery) context.Context {
	return context.WithValue(ctx, deliveryKey{}, d)
}

// Sequence is the message's place in its stream; 0 for a message that came from
// elsewhere. That of a dead letter which was replayed is the one that it had at first: what
// came after it goes on being newer.
func Sequence(m *message.Message) uint64 {
	if first, err := strconv.ParseUint(m.Metadata.Get(headerReplayed), 10, 64); err == nil {
		return first
	}
	if handed := deliveryOf(m); handed != nil {
		return handed.sequence
	}
	return 0
}

// Deliveries is how often handlers of this process got the message, this time
// included.
func Deliveries(m *message.Message) int {
	if handed := deliveryOf(m); handed != nil {
		return handed.deliveries
	}
	return 1
}

// Release opens the gate for the next message of the same key, before this one is
// acknowledged. It may be called any number of times.
func Release(m *message.Message) {
	if handed := deliveryOf(m); handed != nil && handed.gate != nil {
		handed.gate.release(handed.key, handed.sequence)
	}
}

// SetNackDelay says when the message comes again if it is handed back.
func SetNackDelay(m *message.Message, after time.Duration) {
	if handed := deliveryOf(m); handed != nil {
		handed.delay.Store(int64(after))
	}
}

// SetDead says that no repetition can help: when the message is handed back it goes
// to the dead letters, with the reason.
func SetDead(m *message.Message, reason string) {
	if handed := deliveryOf(m); handed != nil {
		handed.dead.Store(&reason)
	}
}

// marshal makes the broker's message. The id is what the stream deduplicates by.
func marshal(topic string, msg *message.Message) *nats.Msg {
	header := make(nats.Header, len(msg.Metadata)+2)
	header[headerUUID] = []string{msg.UUID}
	header[nats.MsgIdHdr] = []string{msg.UUID}
	for key, value := range msg.Metadata {
		header[key] = []string{value}
	}
	return &nats.Msg{Subject: topic, Header: header, Data: msg.Payload}
}

// unmarshal makes watermill's message. A header with several values, which
// watermill has no form for, keeps its first.
func unmarshal(header nats.Header, data []byte) *message.Message {
	msg := message.NewMessage("", data)
	for key, values := range header {
		switch {
		case len(values) == 0, key == nats.MsgIdHdr:
		case key == headerUUID:
			msg.UUID = values[0]
		default:
			msg.Metadata[key] = values[0]
		}
	}
	if msg.UUID == "" {
		msg.UUID = header.Get(nats.MsgIdHdr)
	}
	return msg
}
