package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"chatbell"
)

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

// repeats takes out of possibly repeated work what is finished already. After a
// restart most of the backlog was never started; what was is asked for in one query,
// because a query for each event would make the backlog as slow as ClickHouse.
type repeats struct {
	recorded Recorded

	mu      sync.Mutex
	asked   bool
	since   time.Time             // touched knows the events accepted from here on
	touched map[EventKey]struct{} // by earlier processes; nil if they were too many
}

// errRecordsAway hands the work back: without the records nobody knows what was
// sent, and telling somebody twice is worse than telling them late.
var errRecordsAway = errors.New("cannot tell what was sent before the restart: the records in ClickHouse cannot be read yet")

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

// drop removes the finished targets; a batch without targets is left empty. Ours says
// that this process may have worked on them.
func (r *repeats) drop(ctx context.Context, batches []*Batch, ours bool) error {
	var ids []chatbell.UUID
	for _, b := range batches {
		for i := range b.Targets {
			ids = append(ids, b.deliveryID(&b.Targets[i]))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpWait)
	defer cancel()
	if err := r.recorded.CatchUp(ctx, ours); err != nil {
		return fmt.Errorf("%w: %w", errRecordsAway, err)
	}
	done := map[chatbell.UUID]struct{}{}
	if touched, err := r.mayBeRecorded(ctx, batches, ours); err != nil {
		return fmt.Errorf("%w: %w", errRecordsAway, err)
	} else if touched {
		if done, err = r.recorded.Recorded(ctx, ids); err != nil {
			return fmt.Errorf("%w: %w", errRecordsAway, err)
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
func (r *repeats) mayBeRecorded(ctx context.Context, batches []*Batch, ours bool) (bool, error) {
	if ours {
		return true, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asked {
		since := batches[0].Notification.AcceptedAt.Add(-touchedMargin)
		touched, all, err := r.recorded.Touched(ctx, since, maxTouched)
		if err != nil {
			return false, err
		}
		r.asked, r.since = true, since
		if all {
			r.touched = touched
		}
	}
	for _, b := range batches {
		note := &b.Notification
		_, touched := r.touched[EventKey{note.Network, note.EventID}]
		if touched || r.touched == nil || note.AcceptedAt.Before(r.since) {
			return true, nil
		}
	}
	return false, nil
}
