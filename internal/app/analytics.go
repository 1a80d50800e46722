package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"chatbell"
	"chatbell/analytics"
	"chatbell/analytics/clickhouse"
	"chatbell/analytics/engine"
	"chatbell/internal/store"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/work"
)

// metaAnalystPassword is where the hash of the generated password is kept.
const metaAnalystPassword = "clickhouse_password_sha256"

// openClickHouse starts the embedded engine, or takes the configured server, and
// makes the recorder. The recorder waits for the database; the server does not.
func (a *App) openClickHouse(ctx context.Context) error {
	c := clickhouse.Config{DSN: a.cfg.ClickHouse.Reveal(), Logger: a.log}
	if a.cfg.EmbeddedClickHouse() {
		if err := a.startEngine(ctx); err != nil {
			return err
		}
		c.DSN, c.Dial = a.engine.DSN(), a.engine.Dial
	}
	var err error
	if a.clickhouse, err = clickhouse.Open(ctx, c); err != nil {
		return fmt.Errorf("open ClickHouse (configuration key clickhouse): %w", err)
	}
	a.own(a.clickhouse.Close)
	if err := a.mendCursor(ctx); err != nil {
		return err
	}
	a.recorder, err = analytics.New(analytics.Config{
		Log: ResultLog(a.broker), Cursors: a.store, Sink: a.clickhouse, Logger: a.log, Bad: a.badResult, Observer: a.metrics,
	})
	if err != nil {
		return fmt.Errorf("make the recorder: %w", err)
	}
	return nil
}

func (a *App) startEngine(ctx context.Context) error {
	library, err := engine.FindLibrary(a.cfg.ClickHouseEngine, a.cfg.Data)
	if err != nil {
		return err
	}
	password, err := a.analystPassword(ctx)
	if err != nil {
		return err
	}
	command := a.opts.EngineCommand
	if len(command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this executable: %w", err)
		}
		command = []string{self, "engine"}
	}
	a.engine, err = engine.Start(ctx, engine.Config{
		Library: library, Dir: filepath.Join(a.cfg.Data, "clickhouse"), Listen: a.cfg.ClickHouseListen,
		AnalystUser: a.cfg.ClickHouseUser, AnalystPasswordSHA256: password, Command: command, Logger: a.log,
	})
	if err != nil {
		return err
	}
	a.own(a.engine.Close)
	wait, cancel := context.WithTimeout(ctx, engineWait)
	defer cancel()
	if err := a.engine.Ready(wait); err != nil {
		a.log.Warn("ClickHouse does not answer yet; results wait", "cause", err)
	}
	return nil
}

// engineWait is how long a start waits for the engine, so that who asks ClickHouse right
// after it has an answer.
const engineWait = 2 * time.Second

// analystPassword is the hash of the configured password, or of one that is made at the
// first start and shown once.
func (a *App) analystPassword(ctx context.Context) (string, error) {
	if !a.cfg.ClickHousePassword.IsZero() {
		return hashHex(a.cfg.ClickHousePassword.Reveal()), nil
	}
	kept, err := a.store.Meta(ctx, metaAnalystPassword)
	if err == nil && kept != "" {
		return kept, nil
	}
	if err != nil && !errors.Is(err, chatbell.ErrNotFound) {
		return "", fmt.Errorf("read the password's hash: %w", err)
	}
	secret, err := a.unshown.make(unshownPassword, func() string { return newSecret("") })
	if err != nil {
		return "", err
	}
	if err := a.store.PutMeta(ctx, metaAnalystPassword, hashHex(secret)); err != nil {
		return "", fmt.Errorf("keep the password's hash: %w", err)
	}
	return hashHex(secret), nil
}

// mendCursor moves the recorder's cursor back where the stream is shorter than it was:
// the folder was deleted, or a power cut took its end. Otherwise the recorder would
// wait for results that have been numbered already.
func (a *App) mendCursor(ctx context.Context) error {
	c, err := a.store.RecorderCursor(ctx)
	if err != nil {
		return err
	}
	last, err := a.broker.LastSequence(ctx, work.StreamResults)
	if err != nil {
		return err
	}
	if c.Done <= last && c.Through <= last {
		return nil
	}
	a.log.Warn("the broker has lost results; the recorder goes on with the next", "recorded", c.Done, "begun", c.Through, "last", last)
	done := min(c.Done, last)
	return a.store.PutRecorderCursor(ctx, store.Cursor{Done: done, Through: done})
}

// drain waits, while there is time, until the results of this process are recorded,
// unless ClickHouse is away. What does not get there waits in the broker for the next
// start.
func (a *App) drain(ctx context.Context) {
	err := errClickHouseAway
	if a.recorder.Healthy() {
		err = recorded{a}.CatchUp(ctx, true)
	}
	if err == nil {
		return
	}
	if left := a.unrecorded(context.WithoutCancel(ctx)); left > 0 {
		a.log.Warn("the last results are not in ClickHouse yet; they wait in the broker, and the next start records them", "messages", left, "error", err)
	}
}

var errClickHouseAway = errors.New("ClickHouse is away")

// unrecorded is how many messages of results ClickHouse does not have.
func (a *App) unrecorded(ctx context.Context) uint64 {
	last, err := a.broker.LastSequence(ctx, work.StreamResults)
	if err != nil {
		return 0 // the broker is away, and says so itself
	}
	c, err := a.store.RecorderCursor(ctx)
	if err != nil || c.Done >= last {
		return 0
	}
	return last - c.Done
}

// badResult keeps a result that nobody can read among the dead letters.
func (a *App) badResult(ctx context.Context, rec analytics.Record, why error) error {
	return a.broker.Bury(ctx, work.StreamResults, rec.Sequence, rec.Payload, why.Error())
}

// ResultLog is the stream RESULTS as the recorder reads it.
func ResultLog(b *jetstream.Broker) analytics.Log { return resultLog{b} }

type resultLog struct{ broker *jetstream.Broker }

// Read returns the next messages, or none when wait is over.
func (l resultLog) Read(ctx context.Context, from uint64, limit int, wait time.Duration) ([]analytics.Record, error) {
	records, err := l.broker.Read(ctx, work.StreamResults, from, limit, wait)
	out := make([]analytics.Record, len(records))
	for i, r := range records {
		out[i] = analytics.Record{Sequence: r.Sequence, Payload: r.Payload, Time: r.Time}
	}
	return out, err
}

// Purge forgets what was recorded.
func (l resultLog) Purge(ctx context.Context, before uint64) error {
	return l.broker.Purge(ctx, work.StreamResults, before)
}

// recorded answers the senders' question whether work was finished before.
type recorded struct{ app *App }

// CatchUp waits until what earlier processes wrote to RESULTS is in ClickHouse, and
// with ours what this one did by now.
func (r recorded) CatchUp(ctx context.Context, ours bool) error {
	last := r.app.broker.SequenceAtOpen(work.StreamResults)
	if ours {
		var err error
		if last, err = r.app.broker.LastSequence(ctx, work.StreamResults); err != nil {
			return err
		}
	}
	return r.app.recorder.WaitRecorded(ctx, last)
}

// Recorded tells which deliveries are finished.
func (r recorded) Recorded(ctx context.Context, ids []chatbell.UUID) (map[chatbell.UUID]struct{}, error) {
	return r.app.clickhouse.Recorded(ctx, ids)
}

// Touched tells of which events anything is recorded.
func (r recorded) Touched(ctx context.Context, since time.Time, limit int) (map[ledger.EventKey]struct{}, bool, error) {
	keys, err := r.app.clickhouse.Touched(ctx, since, limit+1)
	out := make(map[ledger.EventKey]struct{}, len(keys))
	for _, k := range keys {
		out[ledger.EventKey{Network: k.Network, ID: k.ID}] = struct{}{}
	}
	return out, len(keys) <= limit, err
}
