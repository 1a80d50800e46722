package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatbell"
)

// Recorded tells what is finished already.
type Recorded interface {
	// Recorded returns which of the delivery ids have a row.
	Recorded(ctx context.Context, ids []chatbell.UUID) (map[chatbell.UUID]struct{}, error)
	// CatchUp returns when the results of earlier processes have been recorded and, with
	// ours, also every result that this process has written by now.
	CatchUp(ctx context.Context, ours bool) error
}

// repeats takes out of possibly repeated work what is finished already.
type repeats struct{ recorded Recorded }

// errRecordsAway hands the work back: without the records nobody knows what was
// sent, and telling somebody twice is worse than telling them late.
var errRecordsAway = errors.New("cannot tell what was sent before the restart: the records in ClickHouse cannot be read yet")

// catchUpWait bounds how long a handler holds its message while the recorder works
// off its backlog; after it the message comes again.
const catchUpWait = 10 * time.Second

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
	done, err := r.recorded.Recorded(ctx, ids)
	if err != nil {
		return fmt.Errorf("%w: %w", errRecordsAway, err)
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
