package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/internal/store"
)

// Waiting keeps work until it is due, across restarts. PutLater is idempotent by id.
type Waiting interface {
	PutLater(ctx context.Context, rows []store.Later) error
	DueLater(ctx context.Context, now time.Time, limit int) ([]store.Later, error)
	DeleteLater(ctx context.Context, ids []string) error
	NextLater(ctx context.Context) (time.Time, bool, error)
}

// later is all that waits: retries, and what found no place in memory. It gives due
// work back to the stream that it came from.
type later struct {
	waiting   Waiting
	publisher message.Publisher
	boot      string
	wake      chan struct{} // something was put; capacity 1
	log       *slog.Logger
}

const (
	// laterPage bounds what is given back in one go: 64 batches of 30 KiB.
	laterPage = 64
	// laterIdle is how long the poller sleeps when nothing waits; putting wakes it.
	laterIdle = time.Minute
	// laterPause is the wait after the store or the broker failed.
	laterPause = time.Second
)

// put stores work until it is due, all of it or none, and returns the ids of the rows.
// It is durable when put returns.
func (l *later) put(ctx context.Context, work []waiting) ([]string, error) {
	if len(work) == 0 {
		return nil, nil
	}
	rows, ids := make([]store.Later, len(work)), make([]string, len(work))
	for i, w := range work {
		row, err := l.row(*w.batch, w.due)
		if err != nil {
			return nil, err
		}
		rows[i], ids[i] = row, row.ID
	}
	if err := l.waiting.PutLater(ctx, rows); err != nil {
		return nil, fmt.Errorf("store work for %s: %w", work[0].batch.Destination, err)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return ids, nil
}

func (l *later) row(b Batch, due time.Time) (store.Later, error) {
	b.Boot = l.boot
	b.Waits++
	if b.Call == nil { // a call keeps its id, which is the webhook-id of every retry
		if err := b.seal(); err != nil {
			return store.Later{}, err
		}
	}
	data, err := json.Marshal(&b)
	if err != nil {
		return store.Later{}, fmt.Errorf("encode batch for %s: %w", b.Destination, err)
	}
	return store.Later{
		ID: fmt.Sprintf("%s.%d", b.ID, b.Waits), DueAt: due,
		Destination: b.Destination.String(), Topic: b.subject(b.ID), Payload: data,
	}, nil
}

// spillMax bounds the wait of what finds no place at its destination: that is how long
// it may take to notice that the destination is back.
const spillMax = time.Minute

// spillWait is how long a batch waits that found no place at its destination: longer
// each time, because all that waits comes back together.
func (b *Batch) spillWait() time.Duration {
	wait := spillMax
	if b.Waits < 4 { // beyond that the limit holds
		wait = min(wait, longWait<<b.Waits)
	}
	return wait + rand.N(wait/4)
}

// run gives back what is due until the context ends.
func (l *later) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-l.wake:
		}
		wait, err := l.giveBack(ctx)
		if err != nil && ctx.Err() == nil {
			l.log.Warn("cannot give due work back to the broker; trying again", "error", err)
			wait = laterPause
		}
		timer.Reset(wait)
	}
}

// giveBack publishes everything that is due and says how long to sleep.
func (l *later) giveBack(ctx context.Context) (time.Duration, error) {
	for {
		rows, err := l.waiting.DueLater(ctx, time.Now(), laterPage)
		if err != nil {
			return 0, fmt.Errorf("read due work: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		if err := l.publish(ctx, rows); err != nil {
			return 0, err
		}
	}
	next, waiting, err := l.waiting.NextLater(ctx)
	if err != nil {
		return 0, fmt.Errorf("read when work is due: %w", err)
	}
	if !waiting {
		return laterIdle, nil
	}
	return min(max(time.Until(next), time.Millisecond), laterIdle), nil
}

// publish moves rows from the store to the stream. A crash between the two leaves
// both; the row's id makes the broker drop the second, and its boot tells the
// sender to look twice.
func (l *later) publish(ctx context.Context, rows []store.Later) error {
	ids := make([]string, len(rows))
	bySubject := map[string][]*message.Message{}
	for i, r := range rows {
		ids[i] = r.ID
		msg := message.NewMessage(r.ID, r.Payload)
		msg.Metadata.Set(metaKey, r.ID) // a retry holds up nothing, and nothing holds it up
		bySubject[r.Topic] = append(bySubject[r.Topic], msg)
	}
	for subject, msgs := range bySubject {
		if err := l.publisher.Publish(subject, msgs...); err != nil {
			return fmt.Errorf("publish due work: %w", err)
		}
	}
	if err := l.waiting.DeleteLater(ctx, ids); err != nil {
		return fmt.Errorf("delete work that was given back: %w", err)
	}
	return nil
}
