package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Record is a message read by its place.
type Record struct {
	Sequence uint64
	Payload  []byte
	Time     time.Time
}

// reader reads a stream in order. The broker keeps no progress for it: whoever reads
// remembers the sequence.
type reader struct {
	consumer jetstream.Consumer
	next     uint64
	got      uint64 // the broker counts what it sends to this consumer: numbers may be missing in the stream, not there
}

// readerIdle is how long the broker keeps a reader that nobody uses.
const readerIdle = 5 * time.Minute

// Read returns up to limit messages from a sequence on, in order. It waits for the
// first one up to wait and returns none without an error when it does not come. Only
// one goroutine may read a stream.
func (b *Broker) Read(ctx context.Context, stream string, from uint64, limit int, wait time.Duration) ([]Record, error) {
	return b.readAs(ctx, stream, stream, from, limit, wait)
}

// readAs reads under a name: each name is a reader of its own.
func (b *Broker) readAs(ctx context.Context, name, stream string, from uint64, limit int, wait time.Duration) ([]Record, error) {
	out, err := b.read(ctx, name, stream, from, limit, wait)
	if errors.Is(err, errGap) { // a new reader begins where the old one should have been
		out, err = b.read(ctx, name, stream, from, limit, wait)
	}
	if err != nil {
		return nil, fmt.Errorf("read stream %s from %d: %w", stream, from, asUnavailable(err))
	}
	return out, ctx.Err()
}

func (b *Broker) read(ctx context.Context, name, stream string, from uint64, limit int, wait time.Duration) ([]Record, error) {
	r, err := b.reader(ctx, name, stream, from)
	if err != nil {
		return nil, err
	}
	out, err := r.fetch(ctx, limit, 0)
	if err == nil && len(out) == 0 && wait > 0 {
		if out, err = r.fetch(ctx, 1, wait); err == nil && len(out) == 1 && limit > 1 {
			var more []Record
			more, err = r.fetch(ctx, limit-1, 0)
			out = append(out, more...)
		}
	}
	if err != nil || ctx.Err() != nil { // what is under way to this reader is lost
		b.mu.Lock()
		delete(b.readers, name)
		b.mu.Unlock()
	}
	return out, err
}

func (b *Broker) reader(ctx context.Context, name, stream string, from uint64) (*reader, error) {
	b.mu.Lock()
	r := b.readers[name]
	b.mu.Unlock()
	if r != nil && r.next == from {
		return r, nil
	}
	cfg := jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1),
		InactiveThreshold: readerIdle, MemoryStorage: true, Replicas: 1,
	}
	consumer, err := b.js.CreateConsumer(ctx, stream, cfg)
	if err != nil {
		return nil, err
	}
	r = &reader{consumer: consumer, next: max(from, 1)}
	b.mu.Lock()
	b.readers[name] = r
	b.mu.Unlock()
	return r, nil
}

// errGap says that messages were lost between the broker and us; reading again from
// the same place gets them.
var errGap = errors.New("messages were skipped")

// fetch reads up to limit messages; with no wait it takes only what is there. The
// broker ends the wait, and the client a second later: what was sent at the last moment
// still arrives.
func (r *reader) fetch(ctx context.Context, limit int, wait time.Duration) ([]Record, error) {
	var batch jetstream.MessageBatch
	var err error
	if wait > 0 {
		batch, err = r.consumer.Fetch(limit, jetstream.FetchMaxWait(wait))
	} else {
		batch, err = r.consumer.FetchNoWait(limit)
	}
	if err != nil {
		return nil, err
	}
	var out []Record
	for {
		var msg jetstream.Msg
		var more bool
		select {
		case msg, more = <-batch.Messages():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !more {
			break
		}
		meta, err := msg.Metadata()
		if err != nil {
			return nil, err
		}
		if meta.Sequence.Consumer != r.got+1 {
			return nil, fmt.Errorf("%w before %d", errGap, meta.Sequence.Stream)
		}
		out = append(out, Record{Sequence: meta.Sequence.Stream, Payload: msg.Data(), Time: meta.Timestamp})
		r.next = meta.Sequence.Stream + 1
		r.got = meta.Sequence.Consumer
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
		return nil, err
	}
	return out, nil
}
