package jetstream

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Tail reads the end of a stream beside whoever reads all of it. One goroutine at a time
// may use it.
type Tail struct {
	broker *Broker
	stream string
}

// Tail makes a reader of a stream's end.
func (b *Broker) Tail(stream string) *Tail { return &Tail{broker: b, stream: stream} }

// tailWait is how long a message that is there is waited for: the broker stores it, and
// says so, a moment before its readers see it.
const tailWait = time.Second

// Read returns up to limit messages from a sequence on, in order. The caller knows that
// there are some: where none comes in a second, they were removed.
func (t *Tail) Read(ctx context.Context, from uint64, limit int) ([]Record, error) {
	return t.broker.readAs(ctx, t.stream+" tail", t.stream, from, limit, tailWait)
}

// At is the first sequence that is not older than a time, or the next one where all are
// older.
func (t *Tail) At(ctx context.Context, when time.Time) (uint64, error) {
	consumer, err := t.broker.js.CreateConsumer(ctx, t.stream, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &when,
		InactiveThreshold: readerIdle, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return 0, fmt.Errorf("stream %s at %v: %w", t.stream, when, asUnavailable(err))
	}
	found, err := (&reader{consumer: consumer, next: 0}).first(ctx)
	if err != nil {
		return 0, fmt.Errorf("stream %s at %v: %w", t.stream, when, asUnavailable(err))
	}
	if found > 0 {
		return found, nil
	}
	last, err := t.Last(ctx)
	return last + 1, err
}

// Last is the stream's newest sequence; 0 if there never was a message.
func (t *Tail) Last(ctx context.Context) (uint64, error) {
	return t.broker.LastSequence(ctx, t.stream)
}

// Opened is the newest sequence, with its time, that the stream had when the broker was
// opened.
func (t *Tail) Opened() (uint64, time.Time) {
	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	return t.broker.atOpen[t.stream], t.broker.timeAtOpen[t.stream]
}

// first is the sequence of the first message; 0 if there is none.
func (r *reader) first(ctx context.Context) (uint64, error) {
	batch, err := r.consumer.FetchNoWait(1)
	if err != nil {
		return 0, err
	}
	for {
		select {
		case msg, more := <-batch.Messages():
			if !more {
				return 0, batch.Error()
			}
			meta, err := msg.Metadata()
			if err != nil {
				return 0, err
			}
			return meta.Sequence.Stream, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
