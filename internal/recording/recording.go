// Package recording joins the recorder to what stands on its two sides: the stream of the
// broker from which it reads results, and the end of the process, which waits for the last of them.
package recording

import (
	"context"
	"errors"
	"log/slog"
	"time"

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
	cursor, err := cursors.RecorderCursor(ctx)
	if err != nil {
		return err
	}
	last, err := broker.LastSequence(ctx, work.StreamResults)
	if err != nil {
		return err
	}
	if cursor.Done <= last && cursor.Through <= last {
		return nil
	}
	log.Warn("the broker has lost results; the recorder goes on with the next", "recorded", cursor.Done, "begun", cursor.Through, "last", last)
	done := min(cursor.Done, last)
	return cursors.PutRecorderCursor(ctx, store.Cursor{Done: done, Through: done})
}

// Log is the stream RESULTS as the recorder reads it.
type Log struct{ Broker *jetstream.Broker }

// Read returns the next messages, or none when wait is over.
func (l Log) Read(ctx context.Context, from uint64, limit int, wait time.Duration) ([]analytics.Record, error) {
	records, err := l.Broker.Read(ctx, work.StreamResults, from, limit, wait)
	out := make([]analytics.Record, len(records))
	for i, record := range records {
		out[i] = analytics.Record{Sequence: record.Sequence, Payload: record.Payload, Time: record.Time}
	}
	return out, err
}

// keptBytes bounds what is kept of RESULTS for the ledger: some ten million rows.
const keptBytes = 1 << 30

// Purge forgets what was recorded, but for the end of the stream that the ledger reads.
func (l Log) Purge(ctx context.Context, before uint64) error {
	return l.Broker.PurgeOld(ctx, work.StreamResults, before, ledger.Kept, keptBytes)
}

// Bury keeps a result that nobody can read among the dead letters.
func (l Log) Bury(ctx context.Context, rec analytics.Record, why error) error {
	return l.Broker.Bury(ctx, work.StreamResults, rec.Sequence, rec.Payload, why.Error())
}

// Last sees to the last results of a process.
type Last struct {
	Broker   *jetstream.Broker
	Recorder *analytics.Recorder
	Cursors  analytics.Cursors
	Log      *slog.Logger
}

// recorded waits until what this process wrote to RESULTS is in ClickHouse.
func (r *Last) recorded(ctx context.Context) error {
	last, err := r.Broker.LastSequence(ctx, work.StreamResults)
	if err != nil {
		return err
	}
	return r.Recorder.WaitRecorded(ctx, last)
}

var errAway = errors.New("ClickHouse is away")

// Drain waits, while there is time, until the results of this process are recorded,
// unless ClickHouse is away. What does not get there waits in the broker for the next
// start.
func (r *Last) Drain(ctx context.Context) {
	err := errAway
	if r.Recorder.Healthy() {
		err = r.recorded(ctx)
	}
	if err == nil {
		return
	}
	if left := r.left(context.WithoutCancel(ctx)); left > 0 {
		r.Log.Warn("the last results are not in ClickHouse yet; they wait in the broker, and the next start records them", "messages", left, "error", err)
	}
}

// left is how many messages of results ClickHouse does not have.
func (r *Last) left(ctx context.Context) uint64 {
	last, err := r.Broker.LastSequence(ctx, work.StreamResults)
	if err != nil {
		return 0 // the broker is away, and says so itself
	}
	cursor, err := r.Cursors.RecorderCursor(ctx)
	if err != nil || cursor.Done >= last {
		return 0
	}
	return last - cursor.Done
}
