package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"chatbell"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// New makes a ledger over what is recorded.
func New(r Recorded) *Ledger { return &Ledger{recorded: r} }

// Recorded tells what is finished already.
type Recorded interface {
	// Recorded returns which of the delivery ids are finished: they have their row, or,
	// where there is none (a raw event), an accepted attempt.
	Recorded(ctx context.Context, ids []chatbell.UUID) (map[chatbell.UUID]struct{}, error)
	// Touched returns the events accepted since then of which anything is recorded, and
	// whether these are all, as there are no more than limit.
	Touched(ctx context.Context, since time.Time, limit int) (map[EventKey]struct{}, bool, error)
	// CatchUp returns when the results of earlier processes have been recorded and, with
	// ours, also every result that this process has written by now.
	CatchUp(ctx context.Context, ours bool) error
}

// EventKey names an event of one network.
type EventKey struct {
	Network chatbell.NetworkID
	ID      chatbell.EventID
}

// Ledger deduplicates redelivered work: it takes out what is finished already. After a
// restart most of the backlog was never started; what was is asked for in one query,
// because a query for each event would make the backlog as slow as ClickHouse.
type Ledger struct {
	recorded Recorded

	mu      sync.Mutex
	asked   bool
	since   time.Time             // touched knows the events accepted from here on
	touched map[EventKey]struct{} // by earlier processes; nil if they were too many
}

// ErrUnavailable says that the ledger cannot answer. The work is handed back: without the records nobody knows what was
// sent, and telling somebody twice is worse than telling them late.
var ErrUnavailable = errors.New("cannot tell what was sent before the restart: the records in ClickHouse cannot be read yet")

// catchUpWait bounds how long a handler holds its message while the recorder works
// off its backlog; after it the message comes again.
const catchUpWait = 10 * time.Second

const (
	// maxTouched bounds what is remembered of earlier processes, to some 30 MB.
	maxTouched = 200_000
	// touchedMargin is how much older than the first repeat others may be: messages
	// come nearly in their order.
	touchedMargin = time.Minute
)

// Drop removes the finished targets of redelivered work; a batch without targets is left
// empty. What the redelivery says decides whose records are waited for.
func (l *Ledger) Drop(ctx context.Context, batches []*work.Batch, redelivery jetstream.Redelivery) error {
	ours := redelivery == jetstream.RedeliveredHere
	var ids []chatbell.UUID
	for _, b := range batches {
		for i := range b.Targets {
			ids = append(ids, b.DeliveryID(&b.Targets[i]))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpWait)
	defer cancel()
	if err := l.recorded.CatchUp(ctx, ours); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	done := map[chatbell.UUID]struct{}{}
	if touched, err := l.mayBeRecorded(ctx, batches, ours); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	} else if touched {
		if done, err = l.recorded.Recorded(ctx, ids); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	n := 0
	for _, b := range batches {
		kept := b.Targets[:0]
		for _, t := range b.Targets {
			if _, finished := done[ids[n]]; !finished {
				t.Doubt = true
				kept = append(kept, t)
			}
			n++
		}
		b.Targets = kept
	}
	return nil
}

// mayBeRecorded tells without a query, where that is possible, that nothing of the
// batches is finished. All results of earlier processes are recorded by now.
func (l *Ledger) mayBeRecorded(ctx context.Context, batches []*work.Batch, ours bool) (bool, error) {
	if ours {
		return true, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.asked {
		since := batches[0].Notification.AcceptedAt.Add(-touchedMargin)
		touched, all, err := l.recorded.Touched(ctx, since, maxTouched)
		if err != nil {
			return false, err
		}
		l.asked, l.since = true, since
		if all {
			l.touched = touched
		}
	}
	for _, b := range batches {
		note := &b.Notification
		_, touched := l.touched[EventKey{note.Network, note.EventID}]
		if touched || l.touched == nil || note.AcceptedAt.Before(l.since) {
			return true, nil
		}
	}
	return false, nil
}
