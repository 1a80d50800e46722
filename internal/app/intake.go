package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/handlers/native"
	"chatbell/internal/metrics"
	"chatbell/pipeline"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// intake makes events durable in the broker.
type intake struct {
	broker  *jetstream.Broker
	metrics *metrics.Registry
	limit   uint64        // events that may wait to be matched
	last    atomic.Uint64 // the newest accepted sequence; stamps what the API writes

	mu    sync.Mutex
	since time.Time // when the broker last told its backlog
	taken uint64    // what was let in after that

	failed atomic.Pointer[failure] // the last posts; nil when they were stored
}

// failure is that events were not stored, for another reason than that there is no room.
type failure struct {
	err error
	at  time.Time
}

// failureAge is how long a failed post counts as a sign that the next one fails. Where
// nobody sends events to who is not ready, the next post has to try.
const failureAge = 10 * time.Second

// recentFailure is why the last events were not stored, unless that was a while ago.
func (in *intake) recentFailure() error {
	if f := in.failed.Load(); f != nil && time.Since(f.at) < failureAge {
		return f.err
	}
	return nil
}

// broken tells at once what the next post would find out by waiting: that the broker
// cannot write. It is asked only when the last post was not stored.
func (in *intake) broken() error {
	if in.failed.Load() == nil {
		return nil
	}
	if err := in.broker.Writable(work.StreamEvents); err != nil {
		return fmt.Errorf("%w: %w", native.ErrUnavailable, err)
	}
	return nil
}

// defaultBacklog bounds the events that wait: at 10,000 events/s it is a minute and
// a half of an outage, at 1 KiB an event 1 GiB of disk.
const defaultBacklog = 1_000_000

// resultsFull is the share of the RESULTS stream above which nothing new is taken, and
// nothing new is sent: the rest is kept for the work in hand.
const resultsFull = 0.8

// Accept publishes the events and answers for each, in their order, once it is
// durable. Nothing is stored when the backlog has no room for all of them.
func (in *intake) Accept(ctx context.Context, envs []chatbell.Envelope) ([]native.AcceptStatus, error) {
	err := in.broken()
	if err == nil {
		err = in.room(ctx, uint64(len(envs)), uint64(len(envs)))
	}
	if err != nil {
		return nil, in.count(err, len(envs))
	}
	msgs := make([]*message.Message, len(envs))
	topics := make([]string, len(envs))
	for i := range envs {
		e := &envs[i]
		data, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("encode event %d: %w", i, err)
		}
		key := e.Key()
		msgs[i] = message.NewMessage(chatbell.EventKey(e.Network, e.Event.ID), data)
		work.SetKey(msgs[i], key)
		topics[i] = work.Subject(work.StreamEvents, key, e.Network)
	}
	acks, err := in.broker.Publisher().PublishAcked(ctx, func(i int) string { return topics[i] }, msgs)
	if err != nil {
		return nil, in.count(intakeError(err), len(envs))
	}
	return in.answers(acks)
}

// count counts events that were not taken, notes that the next ones may not be taken
// either, and returns why.
func (in *intake) count(err error, events int) error {
	status := metrics.EventFailed
	switch {
	case errors.Is(err, native.ErrBacklogFull):
		status = metrics.EventRefused
	case errors.Is(err, native.ErrUnavailable):
		in.failed.Store(&failure{err, time.Now()})
	}
	in.metrics.Event(status, events)
	return err
}

// answers reads the broker's acknowledgements. When it took nothing at all the whole
// request fails; what it took midway is said event by event.
func (in *intake) answers(acks []jetstream.PubResult) ([]native.AcceptStatus, error) {
	out, failed := make([]native.AcceptStatus, len(acks)), 0
	var first error
	for i, a := range acks {
		switch {
		case a.Err != nil:
			out[i], failed = native.Retry, failed+1
			if first == nil {
				first = a.Err
			}
		case a.Duplicate:
			out[i] = native.Duplicate
			in.metrics.Event(metrics.EventDuplicate, 1)
		default:
			out[i] = native.Accepted
			in.metrics.Event(metrics.EventAccepted, 1)
			in.advance(a.Sequence)
		}
	}
	if failed == 0 {
		in.failed.Store(nil)
		return out, nil
	}
	if err := in.count(intakeError(first), failed); failed == len(acks) {
		return nil, err
	}
	return out, nil
}

func (in *intake) advance(seq uint64) {
	for {
		old := in.last.Load()
		if seq <= old || in.last.CompareAndSwap(old, seq) {
			return
		}
	}
}

// Sequence is the newest accepted event's.
func (in *intake) Sequence() uint64 { return in.last.Load() }

// room refuses n events that would not fit, before anything is stored, and keeps the
// place of those that it is asked to reserve.
func (in *intake) room(ctx context.Context, n, reserve uint64) error {
	b, err := in.broker.Backlog(ctx, work.StreamEvents, pipeline.Consumers()[0].Name)
	if err != nil {
		return intakeError(err)
	}
	if wait := b.Pending + b.InFlight; !in.reserve(b.At, wait, n, reserve) {
		return fmt.Errorf("%w: %d events wait", native.ErrBacklogFull, wait)
	}
	full, err := in.Full(ctx)
	if err != nil {
		return intakeError(err)
	}
	if full {
		return fmt.Errorf("%w: ClickHouse has not taken the results so far", native.ErrBacklogFull)
	}
	return nil
}

// Full reports that there is room only for the results of work in hand.
func (in *intake) Full(ctx context.Context) (bool, error) {
	r, err := in.broker.Backlog(ctx, work.StreamResults, "")
	return r.MaxBytes > 0 && float64(r.Bytes) > resultsFull*float64(r.MaxBytes), err
}

// reserve tells whether n events fit beside those that waited at a time and those that
// were let in since, and lets in the given number of them.
func (in *intake) reserve(at time.Time, waiting, n, reserved uint64) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !at.Equal(in.since) {
		in.since, in.taken = at, 0
	}
	if waiting+in.taken+n > in.limit {
		return false
	}
	in.taken += reserved
	return true
}

// intakeError says in the API's words why the broker did not take an event.
func intakeError(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrFull):
		return fmt.Errorf("%w: %w", native.ErrBacklogFull, err)
	case errors.Is(err, context.Canceled):
		return err
	default:
		return fmt.Errorf("%w: %w", native.ErrUnavailable, err)
	}
}
