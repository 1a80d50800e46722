// Package recording joins the recorder to what stands on its two sides: the stream of the
// broker from which it reads results, and the pipeline that asks what of its work is
// recorded already.
package recording

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"chatbell"
	"chatbell/analytics"
	"chatbell/internal/store"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/work"
)

// MendCursor moves the recorder's cursor back where the stream is shorter than it was:
// the folder was deleted, or a power cut took its end. Otherwise the recorder would
// wait for results that have been numbered already.
func MendCursor(ctx context.Context, broker *jetstream.Broker, cursors analytics.Cursors, log *slog.Logger) error {
	c, err := cursors.RecorderCursor(ctx)
	if err != nil {
		return err
	}
	last, err := broker.LastSequence(ctx, work.StreamResults)
	if err != nil {
		return err
	}
	if c.Done <= last && c.Through <= last {
		return nil
	}
	log.Warn("the broker has lost results; the recorder goes on with the next", "recorded", c.Done, "begun", c.Through, "last", last)
	done := min(c.Done, last)
	return cursors.PutRecorderCursor(ctx, store.Cursor{Done: done, Through: done})
}

// Log is the stream RESULTS as the recorder reads it.
type Log struct{ Broker *jetstream.Broker }

// Read returns the next messages, or none when wait is over.
func (l Log) Read(ctx context.Context, from uint64, limit int, wait time.Duration) ([]analytics.Record, error) {
	records, err := l.Broker.Read(ctx, work.StreamResults, from, limit, wait)
	out := make([]analytics.Record, len(records))
	for i, r := range records {
		out[i] = analytics.Record{Sequence: r.Sequence, Payload: r.Payload, Time: r.Time}
	}
	return out, err
}

// Purge forgets what was recorded.
func (l Log) Purge(ctx context.Context, before uint64) error {
	return l.Broker.Purge(ctx, work.StreamResults, before)
}

// Bury keeps a result that nobody can read among the dead letters.
func (l Log) Bury(ctx context.Context, rec analytics.Record, why error) error {
	return l.Broker.Bury(ctx, work.StreamResults, rec.Sequence, rec.Payload, why.Error())
}

// Records answers what is recorded.
type Records interface {
	// Recorded tells which deliveries are finished.
	Recorded(ctx context.Context, ids []chatbell.UUID) (map[chatbell.UUID]struct{}, error)
	// Touched lists the events since a time of which anything is recorded, at most limit.
	Touched(ctx context.Context, since time.Time, limit int) ([]analytics.EventKey, error)
}

// Recorded answers the senders' question whether work was finished before. Its methods are
// safe for concurrent use.
type Recorded struct {
	Broker   *jetstream.Broker
	Recorder *analytics.Recorder
	Records  Records
	Cursors  analytics.Cursors
	Log      *slog.Logger
}

var _ ledger.Recorded = (*Recorded)(nil)

// CatchUp waits until what earlier processes wrote to RESULTS is in ClickHouse, and
// with ours what this one did by now.
func (r *Recorded) CatchUp(ctx context.Context, ours bool) error {
	last := r.Broker.SequenceAtOpen(work.StreamResults)
	if ours {
		var err error
		if last, err = r.Broker.LastSequence(ctx, work.StreamResults); err != nil {
			return err
		}
	}
	return r.Recorder.WaitRecorded(ctx, last)
}

// Recorded tells which deliveries are finished.
func (r *Recorded) Recorded(ctx context.Context, ids []chatbell.UUID) (map[chatbell.UUID]struct{}, error) {
	return r.Records.Recorded(ctx, ids)
}

// Touched tells of which events anything is recorded, and whether that is all.
func (r *Recorded) Touched(ctx context.Context, since time.Time, limit int) (map[ledger.EventKey]struct{}, bool, error) {
	keys, err := r.Records.Touched(ctx, since, limit+1)
	out := make(map[ledger.EventKey]struct{}, len(keys))
	for _, k := range keys {
		out[ledger.EventKey{Network: k.Network, ID: k.ID}] = struct{}{}
	}
	return out, len(keys) <= limit, err
}

var errAway = errors.New("ClickHouse is away")

// Drain waits, while there is time, until the results of this process are recorded,
// unless ClickHouse is away. What does not get there waits in the broker for the next
// start.
func (r *Recorded) Drain(ctx context.Context) {
	err := errAway
	if r.Recorder.Healthy() {
		err = r.CatchUp(ctx, true)
	}
	if err == nil {
		return
	}
	if left := r.left(context.WithoutCancel(ctx)); left > 0 {
		r.Log.Warn("the last results are not in ClickHouse yet; they wait in the broker, and the next start records them", "messages", left, "error", err)
	}
}

// left is how many messages of results ClickHouse does not have.
func (r *Recorded) left(ctx context.Context) uint64 {
	last, err := r.Broker.LastSequence(ctx, work.StreamResults)
	if err != nil {
		return 0 // the broker is away, and says so itself
	}
	c, err := r.Cursors.RecorderCursor(ctx)
	if err != nil || c.Done >= last {
		return 0
	}
	return last - c.Done
}
