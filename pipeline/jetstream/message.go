package jetstream

import (
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

// Sequence is the place in its stream of a message, or of the first of a batch; 0 for one
// that came from elsewhere. See [Item.Sequence] for one that was replayed.
func Sequence(m *message.Message) uint64 {
	if item := first(m); item != nil {
		return item.Sequence()
	}
	return 0
}

// Deliveries is how often handlers of this process got the message, or the first of a
// batch, this time included.
func Deliveries(m *message.Message) int {
	if item := first(m); item != nil {
		return item.deliveries
	}
	return 1
}

// Release lets the next message of the same key be handed out, or the next batch, before
// this one is acknowledged. It may be called any number of times.
func Release(m *message.Message) {
	if batch := BatchOf(m); batch != nil {
		batch.Release()
	}
}

// SetNackDelay says when the message comes again if it is handed back.
func SetNackDelay(m *message.Message, after time.Duration) {
	if batch := BatchOf(m); batch != nil {
		batch.delay.Store(int64(after))
	}
}

// SetDead says that no repetition can help: when the message is handed back it goes
// to the dead letters, with the reason.
func SetDead(m *message.Message, reason string) {
	if batch := BatchOf(m); batch != nil {
		batch.dead.Store(&reason)
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
