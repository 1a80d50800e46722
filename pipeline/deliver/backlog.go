package deliver

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/internal/backoff"
	"chatbell/internal/store"
	"chatbell/pipeline/work"
)

// Waiting keeps work until it is due, across restarts. PutLater is idempotent by id.
type Waiting interface {
	PutLater(ctx context.Context, rows []store.Later) error
	DueLater(ctx context.Context, now time.Time, limit int) ([]store.Later, error)
	DeleteLater(ctx context.Context, ids []string) error
	NextLater(ctx context.Context) (time.Time, bool, error)
}

// Backlog is the delayed queue: all that waits in the store, retries and what found no
// place in memory. It gives due work back to the stream that it came from.
type Backlog struct {
	waiting   Waiting
	publisher message.Publisher
	instance  string
	wake      chan struct{} // something was put; capacity 1
	log       *slog.Logger
}

// NewBacklog makes a backlog; Run must be called for work to be given back. The instance
// names this process: another one cannot know whether work was handed out already.
func NewBacklog(w Waiting, p message.Publisher, instance string, log *slog.Logger) *Backlog {
	return &Backlog{waiting: w, publisher: p, instance: instance, wake: make(chan struct{}, 1), log: log}
}

const (
	// backlogPage bounds what is given back in one go: 64 batches of 30 KiB.
	backlogPage = 64
	// backlogIdle is how long the poller sleeps when nothing waits; putting wakes it.
	backlogIdle = time.Minute
	// backlogPause is the wait after the store or the broker failed.
	backlogPause = time.Second
)

// put stores work until it is due, all of it or none, and returns the ids of the rows.
// It is durable when put returns.
func (l *Backlog) put(ctx context.Context, deferrals []deferral) ([]string, error) {
	if len(deferrals) == 0 {
		return nil, nil
	}
	rows := make([]store.Later, len(deferrals))
	ids := make([]string, len(deferrals))
	for i, w := range deferrals {
		row, err := l.row(*w.batch, w.due)
		if err != nil {
			return nil, err
		}
		rows[i] = row
		ids[i] = row.ID
	}
	if err := l.waiting.PutLater(ctx, rows); err != nil {
		return nil, fmt.Errorf("store work for %s: %w", deferrals[0].batch.Destination, err)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return ids, nil
}

// delete takes back what put stored.
func (l *Backlog) delete(ctx context.Context, ids []string) error {
	return l.waiting.DeleteLater(ctx, ids)
}

func (l *Backlog) row(b work.Batch, due time.Time) (store.Later, error) {
	b.Instance = l.instance
	b.Waits++
	if b.Call == nil { // a call keeps its id, which is the webhook-id of every retry
		if err := b.Seal(); err != nil {
			return store.Later{}, err
		}
	}
	data, err := b.Encode()
	if err != nil {
		return store.Later{}, err
	}
	return store.Later{
		ID: fmt.Sprintf("%s.%d", b.ID, b.Waits), DueAt: due, Kind: b.Destination.Kind(), Since: b.Notification.AcceptedAt,
		Destination: b.Destination.String(), Topic: b.Subject(b.ID), Payload: data,
	}, nil
}

// overflowMax bounds the wait of what finds no place at its destination: that is how long
// it may take to notice that the destination is back.
const overflowMax = time.Minute

// overflowWait is the backoff of a batch that found no place at its destination: longer
// each time, because all that waits comes back together.
func overflowWait(b *work.Batch) time.Duration {
	return backoff.Above(backoff.Exponential(longWait, overflowMax, int(b.Waits)+1), 0.25)
}

// Run gives back what is due until the context ends.
func (l *Backlog) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-l.wake:
		}
		wait, err := l.redeliver(ctx)
		if err != nil && ctx.Err() == nil {
			l.log.Warn("cannot give due work back to the broker; trying again", "error", err)
			wait = backlogPause
		}
		timer.Reset(wait)
	}
}

// redeliver publishes everything that is due and says how long to sleep.
func (l *Backlog) redeliver(ctx context.Context) (time.Duration, error) {
	for {
		rows, err := l.waiting.DueLater(ctx, time.Now(), backlogPage)
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
		return backlogIdle, nil
	}
	return min(max(time.Until(next), time.Millisecond), backlogIdle), nil
}

// publish moves rows from the store to the stream. A crash between the two leaves
// both; the row's id makes the broker drop the second, and its instance tells the
// dispatcher to look twice.
func (l *Backlog) publish(ctx context.Context, rows []store.Later) error {
	ids := make([]string, len(rows))
	bySubject := map[string][]*message.Message{}
	for i, r := range rows {
		ids[i] = r.ID
		msg := message.NewMessage(r.ID, r.Payload)
		work.SetKey(msg, r.ID) // a retry holds up nothing, and nothing holds it up
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
