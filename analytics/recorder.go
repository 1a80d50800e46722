package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"chatbell"
	"chatbell/internal/backoff"
	"chatbell/internal/store"
	"chatbell/pipeline/ledger/rowcodec"
)

// Record is one message of the log.
type Record struct {
	Sequence uint64
	Payload  []byte // as pipeline/ledger/rowcodec writes it
	Time     time.Time
}

// Log is where results wait. Read returns up to limit records from a sequence on, in
// order, and none without an error when wait is over before the first came.
type Log interface {
	Read(ctx context.Context, from uint64, limit int, wait time.Duration) ([]Record, error)
	Purge(ctx context.Context, before uint64) error
}

// Cursors keeps the recorder's progress.
type Cursors interface {
	RecorderCursor(ctx context.Context) (store.Cursor, error)
	PutRecorderCursor(ctx context.Context, c store.Cursor) error
}

// Sink is the database. Insert writes a block that was never begun. Repeat writes what is
// not there yet of a block that was begun under the same token, whatever became of that;
// rows that were in the block then, and are known now, may be left out. Known tells which
// of the rows are there already.
type Sink interface {
	Insert(ctx context.Context, token string, rows *chatbell.Results) error
	Repeat(ctx context.Context, token string, rows *chatbell.Results) error
	Known(ctx context.Context, rows *chatbell.Results) (*Known, error)
}

// Known are rows that the database has.
type Known struct {
	Deliveries map[DeliveryKey]struct{}
	Attempts   map[AttemptKey]struct{}
	Events     map[EventKey]struct{}
}

// DeliveryKey is what is unique among the deliveries.
type DeliveryKey struct {
	ID     chatbell.UUID
	Replay uint32
}

// AttemptKey is what is unique among the attempts.
type AttemptKey struct {
	ID     chatbell.UUID
	Number uint32
}

// EventKey is what is unique among the events.
type EventKey struct {
	Network chatbell.NetworkID
	ID      chatbell.EventID
}

// Config is what a recorder is made of. Log, Cursors and Sink are required.
type Config struct {
	Log     Log
	Cursors Cursors
	Sink    Sink
	Logger  *slog.Logger
	// Flush is how long rows wait for more before they are inserted; default 250 ms.
	// Many small inserts are what ClickHouse is bad at.
	Flush time.Duration
	// MaxRows is from how many rows on nothing waits; default 20,000.
	MaxRows int
	// Bad keeps a record that cannot be read, and why; the recorder goes on without it.
	// If it cannot be kept the recorder tries again later. Nil only logs.
	Bad func(context.Context, Record, error) error
	// Observer is told what the recorder does; nil tells nobody.
	Observer Observer
}

// Observer counts what the recorder does, for metrics. Its methods are called from one
// goroutine.
type Observer interface {
	// Inserted is called after each insert; err says that it failed.
	Inserted(rows *chatbell.Results, took time.Duration, err error)
	// RecordingFailed is called whenever a block could not be recorded, for any cause.
	RecordingFailed()
}

// Recorder is the one writer of the tables.
type Recorder struct {
	cfg Config
	log *slog.Logger

	mu      sync.Mutex
	done    uint64
	rows    uint64        // of what was recorded since New
	oldest  time.Time     // of the results in hand; zero when there are none
	changed chan struct{} // closed when done or failing changes
	failing error
}

// New makes a recorder; Run makes it work.
func New(cfg Config) (*Recorder, error) {
	if cfg.Log == nil || cfg.Cursors == nil || cfg.Sink == nil {
		return nil, errors.New("recorder: Log, Cursors and Sink are required")
	}
	if cfg.Flush <= 0 {
		cfg.Flush = 250 * time.Millisecond
	}
	if cfg.MaxRows <= 0 {
		cfg.MaxRows = 20_000
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Recorder{cfg: cfg, log: cfg.Logger, changed: make(chan struct{})}, nil
}

const (
	// readPage bounds the records of one read; at 2,000 rows and some 240 KiB each this is
	// far above MaxRows, which ends a block before.
	readPage = 32
	// pollWait is how long a read waits for the first record.
	pollWait = 5 * time.Second
	// The waits after a failure.
	retryFirst = 250 * time.Millisecond
	retryMax   = 30 * time.Second
)

// Run records until the context ends. What is in the log then is recorded by the
// next run. Failures are retried for ever: the results wait in the log.
func (r *Recorder) Run(ctx context.Context) error {
	failures := 0
	r.purgeRecorded(ctx)
	for ctx.Err() == nil {
		failures = r.after(ctx, r.step(ctx), failures)
	}
	return nil
}

// after reports how a step ended, pauses if it failed, and returns how many have failed
// in a row.
func (r *Recorder) after(ctx context.Context, err error, failures int) int {
	if ctx.Err() != nil {
		return failures
	}
	r.report(err)
	if err == nil {
		return 0
	}
	failures++
	wait := backoff.Exponential(retryFirst, retryMax, failures)
	if r.cfg.Observer != nil {
		r.cfg.Observer.RecordingFailed()
	}
	r.log.Warn("results wait: they cannot be recorded now", "error", err, "retry_in", wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return failures
}

// step records one block, or finds that there is nothing to record.
func (r *Recorder) step(ctx context.Context) error {
	cursor, err := r.cfg.Cursors.RecorderCursor(ctx)
	if err != nil {
		return err
	}
	r.advance(cursor.Done)
	records, err := r.collect(ctx, cursor)
	if err != nil || len(records) == 0 {
		return err
	}
	r.inHand(records[0].Time)
	through := records[len(records)-1].Sequence
	begun := cursor.Through > cursor.Done
	if !begun {
		cursor.Through = through
		if err := r.cfg.Cursors.PutRecorderCursor(ctx, cursor); err != nil {
			return err
		}
	}
	if err := r.insert(ctx, records, begun); err != nil {
		return err
	}
	if err := r.cfg.Cursors.PutRecorderCursor(ctx, store.Cursor{Done: through, Through: through}); err != nil {
		return err
	}
	r.advance(through, records...)
	r.inHand(time.Time{})
	r.purge(ctx, through)
	return nil
}

// purgeRecorded purges what a run before this one did not come to. No block may come to
// do it: where the log is full, nothing is sent and there are no results.
func (r *Recorder) purgeRecorded(ctx context.Context) {
	cursor, err := r.cfg.Cursors.RecorderCursor(ctx)
	if err == nil && cursor.Done > 0 { // the first step says what is wrong
		r.purge(ctx, cursor.Done)
	}
}

func (r *Recorder) purge(ctx context.Context, through uint64) {
	if err := r.cfg.Log.Purge(ctx, through+1); err != nil && ctx.Err() == nil {
		r.log.Warn("recorded results cannot be purged yet", "error", err)
	}
}

// collect reads the next block: the range that was begun before a crash, exactly, or
// what comes until there are enough rows or the first has waited long enough.
func (r *Recorder) collect(ctx context.Context, cursor store.Cursor) ([]Record, error) {
	if cursor.Through > cursor.Done {
		return r.collectBegun(ctx, cursor)
	}
	var out []Record
	var rows int
	var deadline time.Time
	next := cursor.Done + 1
	for wait := pollWait; wait > 0; wait = time.Until(deadline) {
		page, err := r.read(ctx, next, readPage, wait)
		if err != nil {
			return nil, err
		}
		if len(out) == 0 {
			deadline = time.Now().Add(r.cfg.Flush)
		}
		out = append(out, page...)
		for _, rec := range page {
			rows += countRows(rec.Payload)
			next = rec.Sequence + 1
		}
		if len(page) == 0 || rows >= r.cfg.MaxRows {
			return out, nil
		}
	}
	return out, nil
}

// collectBegun reads the range that was begun before a crash.
func (r *Recorder) collectBegun(ctx context.Context, cursor store.Cursor) ([]Record, error) {
	var out []Record
	next := cursor.Done + 1
	for {
		limit := int(min(uint64(readPage), cursor.Through-next+1))
		page, err := r.read(ctx, next, limit, pollWait)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 || page[0].Sequence > cursor.Through {
			return nil, fmt.Errorf("results %d to %d are not in the log", next, cursor.Through)
		}
		for _, rec := range page {
			out = append(out, rec)
			next = rec.Sequence + 1
			if rec.Sequence == cursor.Through {
				return out, nil // where numbers are missing, a page reaches beyond the range
			}
		}
	}
}

func (r *Recorder) read(ctx context.Context, from uint64, limit int, wait time.Duration) ([]Record, error) {
	page, err := r.cfg.Log.Read(ctx, from, limit, wait)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	return page, nil
}

// countRows is how many rows a payload says it has: enough to end a block in time
// without reading it twice.
func countRows(payload []byte) int {
	head, err := rowcodec.ReadHead(payload)
	if err != nil {
		return 1 // insert will say so
	}
	return head.Rows()
}

// insert makes the block of a range and inserts it; begun says that this may have been
// done, wholly or in part.
func (r *Recorder) insert(ctx context.Context, records []Record, begun bool) error {
	var fresh, doubtful chatbell.Results
	for _, rec := range records {
		if err := take(&fresh, &doubtful, rec.Payload); err != nil {
			r.log.Error("a result cannot be read and is left out", "sequence", rec.Sequence, "error", err)
			if err := r.bad(ctx, rec, err); err != nil {
				return err
			}
		}
	}
	if !doubtful.Empty() {
		known, err := r.cfg.Sink.Known(ctx, &doubtful)
		if err != nil {
			return fmt.Errorf("look up possible repeats: %w", err)
		}
		known.add(&fresh)
		known.addNew(&fresh, &doubtful)
	}
	if fresh.Empty() {
		return nil
	}
	first := records[0]
	last := records[len(records)-1]
	// The time keeps apart two streams that count from 1, should somebody delete one.
	token := fmt.Sprintf("%d-%d-%d", first.Sequence, last.Sequence, first.Time.UnixNano())
	write := r.cfg.Sink.Insert
	if begun {
		write = r.cfg.Sink.Repeat
	}
	begin := time.Now()
	err := write(ctx, token, &fresh)
	if r.cfg.Observer != nil {
		r.cfg.Observer.Inserted(&fresh, time.Since(begin), err)
	}
	return err
}

func (r *Recorder) bad(ctx context.Context, rec Record, why error) error {
	if r.cfg.Bad == nil {
		return nil
	}
	if err := r.cfg.Bad(ctx, rec, why); err != nil {
		return fmt.Errorf("keep result %d, which cannot be read: %w", rec.Sequence, err)
	}
	return nil
}

// take reads a record's rows. A delivery id that is none makes the record bad here,
// because the database would refuse the block that it is in, again and again.
func take(fresh, doubtful *chatbell.Results, payload []byte) error {
	head, err := rowcodec.ReadHead(payload)
	if err != nil {
		return err
	}
	into := fresh
	if head.MaybeRepeat {
		into = doubtful
	}
	before := *into
	if err := rowcodec.Append(into, payload); err != nil {
		return err
	}
	if err := checkIDs(into.Deliveries[len(before.Deliveries):], into.Attempts[len(before.Attempts):]); err != nil {
		*into = before
		return err
	}
	return nil
}

func checkIDs(deliveries []chatbell.Delivery, attempts []chatbell.Attempt) error {
	for i := range deliveries {
		if id := deliveries[i].DeliveryID; !isUUID(id) {
			return fmt.Errorf("delivery %d: the id %q is no UUID", i, id)
		}
	}
	for i := range attempts {
		if id := attempts[i].DeliveryID; !isUUID(id) {
			return fmt.Errorf("attempt %d: the delivery id %q is no UUID", i, id)
		}
	}
	return nil
}

// isUUID tells the usual text form, in which ids are compared.
func isUUID(id chatbell.UUID) bool {
	for i := range len(id) {
		char := id[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if char != '-' {
				return false
			}
		case (char < '0' || char > '9') && (char < 'a' || char > 'f'):
			return false
		}
	}
	return len(id) == 36
}

// add notes rows that will be there.
func (k *Known) add(rows *chatbell.Results) {
	for i := range rows.Deliveries {
		k.Deliveries[DeliveryKey{rows.Deliveries[i].DeliveryID, rows.Deliveries[i].Replay}] = struct{}{}
	}
	for i := range rows.Attempts {
		k.Attempts[AttemptKey{rows.Attempts[i].DeliveryID, rows.Attempts[i].Number}] = struct{}{}
	}
	for i := range rows.Events {
		k.Events[EventKey{rows.Events[i].Network, rows.Events[i].EventID}] = struct{}{}
	}
}

// addNew adds to the block those of the doubtful rows that nobody knows.
func (k *Known) addNew(block, doubtful *chatbell.Results) {
	for _, row := range doubtful.Deliveries {
		key := DeliveryKey{row.DeliveryID, row.Replay}
		if _, ok := k.Deliveries[key]; !ok {
			k.Deliveries[key] = struct{}{}
			block.Deliveries = append(block.Deliveries, row)
		}
	}
	for _, attempt := range doubtful.Attempts {
		key := AttemptKey{attempt.DeliveryID, attempt.Number}
		if _, ok := k.Attempts[key]; !ok {
			k.Attempts[key] = struct{}{}
			block.Attempts = append(block.Attempts, attempt)
		}
	}
	for _, e := range doubtful.Events {
		key := EventKey{e.Network, e.EventID}
		if _, ok := k.Events[key]; !ok {
			k.Events[key] = struct{}{}
			block.Events = append(block.Events, e)
		}
	}
}
