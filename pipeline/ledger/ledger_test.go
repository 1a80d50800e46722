package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"chatbell"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/work"
)

// world is a real broker with the stream of results, and a writer.
type world struct {
	t      *testing.T
	dir    string
	broker *jetstream.Broker
	writer *ledger.Writer
	stop   func()
	ids    int
}

func open(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "js")}
	w.start()
	t.Cleanup(func() { w.end() })
	return w
}

// start begins a process; end ends it.
func (w *world) start() {
	w.t.Helper()
	var err error
	w.broker, err = jetstream.Open(w.t.Context(), jetstream.Config{Dir: w.dir, Streams: []jetstream.Stream{{Name: work.StreamResults, MaxBytes: 64 << 20}}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.writer = ledger.NewWriter(w.broker.Publisher())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.writer.Run(ctx)
	}()
	w.stop = func() {
		cancel()
		<-done
	}
}

func (w *world) end() {
	w.t.Helper()
	w.stop()
	if err := w.broker.Close(); err != nil {
		w.t.Error(err)
	}
}

// ledger is that of the process.
func (w *world) ledger() *ledger.Ledger {
	return ledger.New(w.broker.Tail(work.StreamResults), time.Now)
}

// batch is a batch for so many people that nobody had before.
func (w *world) batch(people int) *work.Batch {
	w.ids++
	b := &work.Batch{
		Notification: chatbell.Notification{Network: "acme", EventID: chatbell.EventID(fmt.Sprint("e", w.ids)), Rule: "r", AcceptedAt: time.Now()},
		Destination:  work.Destination{Network: "acme", Provider: "apns", App: "chat"},
		Texts:        []chatbell.Text{{Locale: "en"}},
	}
	for i := range people {
		b.Targets = append(b.Targets, work.Target{User: chatbell.UserID(fmt.Sprint("u", i)), Device: chatbell.DeviceID(fmt.Sprint("d", i))})
	}
	return b
}

// finish writes the rows of some of a batch's targets.
func (w *world) finish(b *work.Batch, targets ...int) {
	w.t.Helper()
	rows := &chatbell.Results{}
	for _, i := range targets {
		rows.Deliveries = append(rows.Deliveries, b.Delivery(&b.Targets[i], chatbell.Accepted, "", nil, time.Now()))
	}
	if err := w.writer.Write(w.t.Context(), rows); err != nil {
		w.t.Fatal(err)
	}
}

// left are the people who are left when a batch comes again.
func (w *world) left(l *ledger.Ledger, b *work.Batch, r jetstream.Redelivery) []chatbell.UserID {
	w.t.Helper()
	copied := *b
	copied.Targets = append([]work.Target(nil), b.Targets...)
	if err := l.Drop(w.t.Context(), []*work.Batch{&copied}, r); err != nil {
		w.t.Fatal(err)
	}
	users := []chatbell.UserID{}
	for _, t := range copied.Targets {
		if !t.Doubt {
			w.t.Errorf("%s may have been tried, and nothing says so", t.User)
		}
		users = append(users, t.User)
	}
	return users
}

// What this process has finished is known when its work comes again, at once.
func TestFinishedHere(t *testing.T) {
	w := open(t)
	l := w.ledger()
	for range 3 {
		b := w.batch(3)
		w.finish(b, 0, 2)
		if got := w.left(l, b, jetstream.RedeliveredHere); len(got) != 1 || got[0] != "u1" {
			t.Errorf("left: %v, want u1", got)
		}
	}
}

// What an earlier process has finished is known after a restart, without reading what this
// one has done since.
func TestFinishedBefore(t *testing.T) {
	w := open(t)
	old := w.batch(2)
	w.finish(old, 1)
	w.end()
	w.start()
	l := w.ledger()
	fresh := w.batch(1)
	w.finish(fresh, 0)
	if got := w.left(l, old, jetstream.RedeliveredFromBefore); len(got) != 1 || got[0] != "u0" {
		t.Errorf("left: %v, want u0", got)
	}
	if got := w.left(l, fresh, jetstream.RedeliveredFromBefore); len(got) != 1 {
		t.Errorf("what this process did was read for work that it cannot have had: %v are left", got)
	}
	if got := w.left(l, fresh, jetstream.RedeliveredHere); len(got) != 0 {
		t.Errorf("left: %v, want nobody", got)
	}
}

// A raw event has no row of a delivery: its accepted attempt says that it is done.
func TestRawEventIsFinished(t *testing.T) {
	w := open(t)
	b := w.batch(1)
	attempt := b.Attempt(&b.Targets[0], &work.Try{At: time.Now()}, false)
	if err := w.writer.Write(t.Context(), &chatbell.Results{Attempts: []chatbell.Attempt{attempt}}); err != nil {
		t.Fatal(err)
	}
	if got := w.left(w.ledger(), b, jetstream.RedeliveredHere); len(got) != 0 {
		t.Errorf("left: %v, want nobody", got)
	}
}

// The recorder takes results out of the stream; those of the last while stay for the
// ledger, and a gap where others were does no harm.
func TestRecordedResultsAreKept(t *testing.T) {
	w := open(t)
	b := w.batch(1)
	w.finish(b, 0)
	l := w.ledger()
	if err := w.broker.PurgeOld(t.Context(), work.StreamResults, 2, ledger.Kept, 1<<30); err != nil {
		t.Fatal(err)
	}
	if got := w.left(l, b, jetstream.RedeliveredHere); len(got) != 0 {
		t.Errorf("left: %v, want nobody", got)
	}
	if err := w.broker.PurgeOld(t.Context(), work.StreamResults, 2, ledger.Kept, 0); err != nil { // no room for more
		t.Fatal(err)
	}
	again := w.batch(1)
	w.finish(again, 0)
	if got := w.left(w.ledger(), again, jetstream.RedeliveredHere); len(got) != 0 {
		t.Errorf("after a gap %v are left, want nobody", got)
	}
	if got := w.left(w.ledger(), b, jetstream.RedeliveredHere); len(got) != 1 {
		t.Errorf("%v are left of what is not in the stream any more", got)
	}
}

// A stream that cannot be read is no reason to send twice.
func TestUnavailable(t *testing.T) {
	w := open(t)
	b := w.batch(1)
	l := w.ledger()
	if err := w.broker.Close(); err != nil {
		t.Fatal(err)
	}
	err := l.Drop(t.Context(), []*work.Batch{b}, jetstream.RedeliveredHere)
	if !errors.Is(err, ledger.ErrUnavailable) || len(b.Targets) != 1 {
		t.Errorf("%v, %d targets", err, len(b.Targets))
	}
	w.broker, _ = jetstream.Open(t.Context(), jetstream.Config{Dir: w.dir, Streams: []jetstream.Stream{{Name: work.StreamResults, MaxBytes: 64 << 20}}})
}
