package analytics

import (
	"context"
	"time"
)

// advance notes what is recorded by now, and which records came with it.
func (r *Recorder) advance(done uint64, records ...Record) {
	rows := 0
	for _, rec := range records {
		rows += countRows(rec.Payload)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if done > r.done {
		r.done = done
		r.rows += uint64(rows)
		close(r.changed)
		r.changed = make(chan struct{})
	}
}

// Recorded is the last sequence that is recorded, and how many rows were since New; also
// those that were known already, because they wait no more.
func (r *Recorder) Recorded() (done, rows uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done, r.rows
}

// inHand notes the age of what is being recorded.
func (r *Recorder) inHand(oldest time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.oldest = oldest
}

// Progress is how far the recorder has come: the last sequence that is recorded, and
// when the oldest of the results in hand was written; zero when it has none in hand.
func (r *Recorder) Progress() (done uint64, oldest time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done, r.oldest
}

func (r *Recorder) report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing = err
}

// Healthy reports whether the last block was recorded.
func (r *Recorder) Healthy() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failing == nil
}

// WaitRecorded returns when everything up to a sequence is recorded.
func (r *Recorder) WaitRecorded(ctx context.Context, seq uint64) error {
	for {
		r.mu.Lock()
		done := r.done
		changed := r.changed
		r.mu.Unlock()
		if done >= seq {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
