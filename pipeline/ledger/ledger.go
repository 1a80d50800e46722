package ledger

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"chatbell"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger/rowcodec"
	"chatbell/pipeline/work"
)

// Tail reads the end of the stream RESULTS, which is kept there for [Kept] after the
// recorder has taken it. The methods are called by one goroutine at a time.
type Tail interface {
	// Read returns up to limit messages from a sequence on; none where all that there were
	// have been removed.
	Read(ctx context.Context, from uint64, limit int) ([]jetstream.Record, error)
	// At is the first sequence that is not older than a time, or the next one where all
	// are older.
	At(ctx context.Context, at time.Time) (uint64, error)
	// Last is the newest sequence, and Opened what that was when this process began, with
	// its time; both are 0 for an empty stream.
	Last(ctx context.Context) (uint64, error)
	Opened() (uint64, time.Time)
}

// Kept is for how long results are kept in the stream although they are recorded: longer
// than the broker hands a message out again and again before it is given up.
const Kept = 30 * time.Minute

const (
	// tailPage is how many messages of results are read in one go.
	tailPage = 64
	// forgetAfter is when an index that nobody asks is dropped: redelivered work comes
	// after a start, and after trouble.
	forgetAfter = 5 * time.Minute
	// youth is for how long after the start work of the process before it may come.
	youth = 2 * time.Hour
	// answerTime bounds one answer; reading takes a microsecond a row.
	answerTime = 30 * time.Second
)

// Ledger knows what is done, and what waits to be tried again: it deduplicates redelivered
// work. The answer comes from the
// end of the stream RESULTS, where every finished row is made durable before the message
// behind it is acknowledged, so that neither the analytics database nor anything else on
// the way to it is asked. The index is made when redelivered work comes, and kept up to
// date while more does. Safe for concurrent use.
type Ledger struct {
	tail  Tail
	now   func() time.Time
	begun time.Time

	backlogs Backlogs // nil where nothing waits

	mu   sync.Mutex
	own  map[uint64]struct{} // what was finished here although an earlier process had it first
	done map[uint64]struct{} // finished deliveries, by the first half of their ids; nil while there is no index
	next uint64              // what of the stream has not been read
	used time.Time
}

// New makes a ledger over the end of a stream.
func New(tail Tail, now func() time.Time) *Ledger { return &Ledger{tail: tail, now: now, begun: now()} }

// Backlogs tells what waits to be tried again.
type Backlogs interface {
	// Waits are the deliveries of a batch's notification, at its destination, that wait in
	// the destination's backlog.
	Waits(ctx context.Context, b *work.Batch) (map[chatbell.UUID]struct{}, error)
}

// Consult has the ledger ask for what waits. It must be called before the first Drop.
func (l *Ledger) Consult(b Backlogs) { l.backlogs = b }

// Finished notes rows, which are durable, of work that waited since before this process
// began: the request that it came from may still be to come again. It must be called
// before the work is taken out of its backlog.
func (l *Ledger) Finished(rows *chatbell.Results) {
	if rows.Empty() || l.now().Sub(l.begun) > youth {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.own == nil {
		l.own = map[uint64]struct{}{}
	}
	note(l.own, rows)
}

// ErrUnavailable says that the ledger cannot answer. The work is handed back: nobody
// knows what was sent, and telling somebody twice is worse than telling them late.
var ErrUnavailable = errors.New("cannot tell what was sent before: the stream of results cannot be read")

// Drop removes the finished targets of redelivered work, and marks the others as such of
// whom nobody knows whether they were tried; a batch without targets is left empty.
//
// What only an earlier process may have had needs no more than what the stream held when
// this one began, and what this one has finished of it. What waits in a backlog is removed
// as well: its retry is under way already, and a second one would tell the same people
// twice.
func (l *Ledger) Drop(ctx context.Context, batches []*work.Batch, redelivery jetstream.Redelivery) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	// In this order: what is taken out of a backlog meanwhile is finished by then.
	for _, b := range batches {
		if err := l.dropWaiting(ctx, b); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return l.DropFinished(ctx, batches, redelivery)
}

// dropWaiting removes the targets that wait in the backlog of their destination.
func (l *Ledger) dropWaiting(ctx context.Context, b *work.Batch) error {
	if l.backlogs == nil || len(b.Targets) == 0 {
		return nil
	}
	waits, err := l.backlogs.Waits(ctx, b)
	if err != nil {
		return err
	}
	b.Targets = slices.DeleteFunc(b.Targets, func(t work.Target) bool {
		_, ok := waits[b.DeliveryID(&t)]
		return ok
	})
	return nil
}

// DropFinished is Drop for work that comes out of a backlog.
func (l *Ledger) DropFinished(ctx context.Context, batches []*work.Batch, redelivery jetstream.Redelivery) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.catchUp(ctx, redelivery); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for _, b := range batches {
		kept := b.Targets[:0]
		for _, t := range b.Targets {
			if !l.knows(short(b.DeliveryID(&t))) {
				t.Doubt = true
				kept = append(kept, t)
			}
		}
		b.Targets = kept
	}
	return nil
}

// knows reports whether a delivery is finished. The lock is held.
func (l *Ledger) knows(id uint64) bool {
	_, done := l.done[id]
	_, own := l.own[id]
	return done || own
}

// catchUp brings the index up to what has to be known. The lock is held.
func (l *Ledger) catchUp(ctx context.Context, redelivery jetstream.Redelivery) error {
	now := l.now()
	if now.Sub(l.begun) > youth {
		l.own = nil
	}
	if l.done != nil && now.Sub(l.used) > forgetAfter {
		l.done = nil
	}
	if l.done == nil {
		from, err := l.start(ctx, now)
		if err != nil {
			return err
		}
		l.done = map[uint64]struct{}{}
		l.next = from
	}
	l.used = now
	last, _ := l.tail.Opened()
	if redelivery == jetstream.RedeliveredHere {
		var err error
		if last, err = l.tail.Last(ctx); err != nil {
			return err
		}
	}
	for l.next <= last {
		records, err := l.tail.Read(ctx, l.next, int(min(tailPage, last-l.next+1)))
		if err != nil {
			return err
		}
		if len(records) == 0 {
			l.next = last + 1 // those in between were purged
			break
		}
		for _, record := range records {
			l.add(record.Payload)
			l.next = record.Sequence + 1
		}
	}
	return nil
}

// start is where an index begins: [Kept] before the last result of the process before this
// one, as long as its work may come again, and later as long before now.
func (l *Ledger) start(ctx context.Context, now time.Time) (uint64, error) {
	since := now
	if _, when := l.tail.Opened(); !when.IsZero() && now.Sub(l.begun) < youth {
		since = when
	}
	return l.tail.At(ctx, since.Add(-Kept))
}

// add takes the finished deliveries of a message of results. What cannot be read is the
// recorder's to bury.
func (l *Ledger) add(payload []byte) {
	var rows chatbell.Results
	if rowcodec.Append(&rows, payload) == nil {
		note(l.done, &rows)
	}
}

// note adds the finished deliveries of rows to a set.
func note(done map[uint64]struct{}, rows *chatbell.Results) {
	for i := range rows.Deliveries {
		done[short(rows.Deliveries[i].DeliveryID)] = struct{}{}
	}
	for i := range rows.Attempts { // a raw event has no row of a delivery
		if rows.Attempts[i].Outcome == chatbell.Accepted {
			done[short(rows.Attempts[i].DeliveryID)] = struct{}{}
		}
	}
}

// short is the first half of an id: 64 bits of a hash, so that among a billion deliveries
// two would be taken for one with a chance of 3 %, and only if one of them comes again.
func short(id chatbell.UUID) uint64 {
	digits := strings.ReplaceAll(string(id), "-", "")
	var first [8]byte
	if len(digits) < 16 {
		return 0
	}
	if _, err := hex.Decode(first[:], []byte(digits[:16])); err != nil {
		return 0
	}
	return binary.BigEndian.Uint64(first[:])
}
