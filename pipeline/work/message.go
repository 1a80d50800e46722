package work

import (
	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/pipeline/jetstream"
)

const (
	// metaKey carries the ordering key, so that nobody has to decode the message for it.
	metaKey = "chatbell_key"
	// metaKind names the kind of a request; a message without it is an event.
	metaKind = "chatbell_kind"
)

// Kind is the kind of a request: which planner works it off.
type Kind string

// KindEvent is a chat event, as a [chatbell.Envelope] in JSON.
const KindEvent Kind = "event"

// KindOf is the kind of a request.
func KindOf(i *jetstream.Item) Kind { return KindIn(i.Header) }

// KindIn is the kind of a request whose metadata a function reads; empty is no entry.
func KindIn(metadata func(name string) string) Kind {
	if key := metadata(metaKind); key != "" {
		return Kind(key)
	}
	return KindEvent
}

// SetKind says of what kind a request is.
func SetKind(m *message.Message, k Kind) { m.Metadata.Set(metaKind, string(k)) }

// Key is the ordering key of a message in any of the streams.
func Key(i *jetstream.Item) string { return i.Header(metaKey) }

// SetKey puts the ordering key on a message.
func SetKey(m *message.Message, key string) { m.Metadata.Set(metaKey, key) }

// Message is the batch on its way through a stream. Its id is the batch's, so that
// the broker drops an identical repeat.
func (b *Batch) Message() (*message.Message, error) {
	data, err := b.Encode()
	if err != nil {
		return nil, err
	}
	return message.NewMessage(b.ID, data), nil
}

// Subject is where the batch is published.
func (b *Batch) Subject(key string) string {
	stream := StreamPush
	if b.Call != nil {
		stream = StreamHook
	}
	return Subject(stream, key, b.Notification.Network)
}
