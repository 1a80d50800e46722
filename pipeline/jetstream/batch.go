package jetstream

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Limits bound a micro-batch.
type Limits struct {
	// Messages is how many of the broker's messages are handed out as one of watermill's.
	Messages int
	// Bytes is how much their payloads have together; one message may have more.
	Bytes int
}

// Batch is what a message of watermill's carries: messages of the broker in the order of
// the stream, one or several. Acknowledging watermill's message acknowledges all of them
// that were not settled before. Its methods are safe for concurrent use.
type Batch struct {
	sub    *subscription
	items  []*Item
	msg    *message.Message
	cancel context.CancelFunc
	delay  atomic.Int64 // nanoseconds; 0 means the subscriber's default
	dead   atomic.Pointer[string]

	released bool // guarded by the subscription's lock
}

type batchKey struct{}

// BatchOf is what a message carries; nil for one that came from elsewhere.
func BatchOf(m *message.Message) *Batch {
	batch, _ := m.Context().Value(batchKey{}).(*Batch)
	return batch
}

// first is the first of the message's batch; nil for one that came from elsewhere.
func first(m *message.Message) *Item {
	if batch := BatchOf(m); batch != nil {
		return batch.items[0]
	}
	return nil
}

// Items are the batch's messages. The slice is the batch's own.
func (b *Batch) Items() []*Item { return b.items }

// Release lets the subscription hand out what comes behind, before this is settled. It may
// be called any number of times.
func (b *Batch) Release() { b.sub.release(b) }

// Ack settles some of the batch's messages: what they caused is durable.
func (b *Batch) Ack(items []*Item) { b.sub.ack(items) }

// Item is a message of the broker in somebody's hands.
type Item struct {
	sub      *subscription
	raw      jetstream.Msg
	sequence uint64
	key      string
	// deliveries is how often handlers of this process got it, the last time included.
	deliveries int
	redelivery Redelivery

	place place // guarded by the subscription's lock
}

// place is where a message is.
type place int

const (
	placeHere    place = iota // with us
	placeHandler              // with a handler, which has to settle it
	placeGone                 // settled
)

// ID is what its publisher named it by.
func (i *Item) ID() string { return idOf(i.raw.Headers()) }

// Payload is what it says. It must not be changed.
func (i *Item) Payload() []byte { return i.raw.Data() }

// Header gives the first value of one of its headers; empty if it has none.
func (i *Item) Header(name string) string {
	if values := i.raw.Headers()[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Key is its ordering key; empty for what nothing waits for.
func (i *Item) Key() string { return i.key }

// Sequence is its place in its stream. That of a dead letter which was replayed is the one
// that it had at first: what came after it goes on being newer.
func (i *Item) Sequence() uint64 {
	if at, err := strconv.ParseUint(i.Header(headerReplayed), 10, 64); err == nil {
		return at
	}
	return i.sequence
}

// Deliveries is how often handlers of this process got it, this time included.
func (i *Item) Deliveries() int { return i.deliveries }

// Redelivery says whether somebody may have had it before.
func (i *Item) Redelivery() Redelivery {
	if i.deliveries > 1 || i.Header(headerReplayed) != "" { // some of it may have been done before
		return RedeliveredHere
	}
	return i.redelivery
}

// Hold keeps those behind it of its key from being handed out until it is settled, however
// early the batch is released.
func (i *Item) Hold() { i.sub.hold(i) }

// Ack settles it: what it caused is durable.
func (i *Item) Ack() { i.sub.ack([]*Item{i}) }

// Nack hands it back: it comes again after a while, and those behind it of its key wait
// for that. When its deliveries are used up it goes to the dead letters.
func (i *Item) Nack(after time.Duration) { i.sub.nack(i, after) }

// Wait hands it back as if nobody had been given it: it comes again after a while, behind
// those of its key that were handed back before it.
func (i *Item) Wait(after time.Duration) { i.sub.wait(i, after) }

// Dead gives it up, with the reason: no repetition can help.
func (i *Item) Dead(reason string) { i.sub.giveUp(i, reason) }

func (i *Item) size() int { return len(i.raw.Data()) }

func idOf(header nats.Header) string {
	if id := header[headerUUID]; len(id) > 0 && id[0] != "" {
		return id[0]
	}
	return header.Get(nats.MsgIdHdr)
}
