package work

import (
	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/pipeline/jetstream"
)

// metaRedelivered marks work that was made from a request which may have been handed out
// before.
const metaRedelivered = "chatbell_maybe_repeat"

// MarkRedelivered puts onto a message what is known of the request that it was made from.
func MarkRedelivered(m *message.Message, r jetstream.Redelivery) {
	if r.Possible() {
		m.Metadata.Set(metaRedelivered, "1")
	}
}

// Redelivery is everything that is known of whether somebody had the batch before: by the
// message in which it came, by the request that it was made from, and by having waited in
// the store. The instance names this process.
//
// A batch that waited has a request behind it, which this process may have planned again
// meanwhile; so has one whose request was redelivered. Both may be ours.
func (b *Batch) Redelivery(m *message.Message, instance string) jetstream.Redelivery {
	again := jetstream.RedeliveryOf(m)
	switch {
	case m.Metadata.Get(metaRedelivered) != "", b.Redelivered, b.Instance != "" && b.Instance != instance:
		return jetstream.RedeliveredHere
	case b.Instance != "" && again.Possible():
		return jetstream.RedeliveredHere
	}
	return again
}
