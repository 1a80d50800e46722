package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrTooFarBehind says that a stream which holds messages that wait is too far behind to be
// lifted.
var ErrTooFarBehind = errors.New("the stream is too far behind")

const (
	// maxLift bounds how many sequences are passed over one by one: some 50,000 a second.
	maxLift = 5_000_000
	// liftPage is how many of them are under way at once.
	liftPage = 2000
)

// Lift brings a stream that is behind to a sequence, so that the next message is greater: a
// stream that was restored, or has lost its end, must not give sequences again that somebody
// remembers. What waits for its durable consumers stays, with the sequences that it has.
func (b *Broker) Lift(ctx context.Context, stream string, to uint64, durables ...string) error {
	last, err := b.LastSequence(ctx, stream)
	if err != nil || last >= to {
		return err
	}
	backlog, err := b.backlog(ctx, stream, durables)
	if err != nil {
		return err
	}
	if backlog.Pending+backlog.InFlight == 0 {
		return b.Purge(ctx, stream, to+1) // beyond its end: it goes on from there
	}
	if to-last > maxLift {
		return fmt.Errorf("%w: it ends at %d, and is to go on behind %d, while %d messages in it wait", ErrTooFarBehind, last, to, backlog.Pending+backlog.InFlight)
	}
	return b.passOver(ctx, stream, to)
}

// passOver uses up sequences with messages that nobody reads: their subject is the stream's
// own, without a partition.
func (b *Broker) passOver(ctx context.Context, stream string, to uint64) error {
	for {
		last, err := b.LastSequence(ctx, stream)
		if err != nil {
			return err
		}
		if last >= to {
			break
		}
		page := make([]*message.Message, min(to-last, liftPage))
		for i := range page {
			page[i] = message.NewMessage(fmt.Sprintf("passed-%d-%d-%d", last, i, time.Now().UnixNano()), nil)
		}
		results, err := b.Publisher().PublishAcked(ctx, func(int) string { return stream }, page)
		if err != nil {
			return fmt.Errorf("lift stream %s: %w", stream, err)
		}
		for _, result := range results {
			if result.Err != nil {
				return fmt.Errorf("lift stream %s: %w", stream, result.Err)
			}
		}
	}
	found, err := b.js.Stream(ctx, stream)
	if err == nil { // the last one stays: it is the end of the stream
		err = found.Purge(ctx, jetstream.WithPurgeSubject(stream), jetstream.WithPurgeKeep(1))
	}
	if err != nil {
		return fmt.Errorf("lift stream %s: %w", stream, asUnavailable(err))
	}
	return nil
}
