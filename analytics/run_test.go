package analytics_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chatbell"
	"chatbell/analytics"
	"chatbell/internal/store"
)

// sink is a database that does what its functions say, and what the model does where
// there are none.
type sink struct {
	*model
	insert func(context.Context) error // before an insert
	known  func(context.Context) error // before a look-up
	mu     sync.Mutex
	blocks []int // how many rows came at a time
	times  []time.Time
}

func (s *sink) Insert(ctx context.Context, token string, rows *chatbell.Results) error {
	return s.write(ctx, token, rows, s.model.Insert)
}

func (s *sink) Repeat(ctx context.Context, token string, rows *chatbell.Results) error {
	return s.write(ctx, token, rows, s.model.Repeat)
}

func (s *sink) write(ctx context.Context, token string, rows *chatbell.Results, write func(context.Context, string, *chatbell.Results) error) error {
	s.mu.Lock()
	s.blocks, s.times = append(s.blocks, rows.Rows()), append(s.times, time.Now())
	s.mu.Unlock()
	if s.insert != nil {
		if err := s.insert(ctx); err != nil {
			return err
		}
	}
	return write(ctx, token, rows)
}

func (s *sink) Known(ctx context.Context, rows *chatbell.Results) (*analytics.Known, error) {
	if s.known != nil {
		if err := s.known(ctx); err != nil {
			return nil, err
		}
	}
	return s.model.Known(ctx, rows)
}

// tries are the times of the inserts.
func (s *sink) tries() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.times)
}

// sizes are the rows of the inserts.
func (s *sink) sizes() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.blocks)
}

// running is a recorder that runs in a bubble; stop returns when Run has.
type running struct {
	*analytics.Recorder
	stop func()
}

func run(t *testing.T, c analytics.Config) running {
	t.Helper()
	r, err := analytics.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return running{r, func() {
		t.Helper()
		cancel()
		synctest.Wait() // what is not over by now waits for something else than the context
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		default:
			t.Error("Run goes on after its context")
			<-ended
		}
	}}
}

func TestNewNeedsItsParts(t *testing.T) {
	m, s := newMemory(t), newModel()
	for name, c := range map[string]analytics.Config{
		"Log": {Cursors: m, Sink: s}, "Cursors": {Log: m, Sink: s}, "Sink": {Log: m, Cursors: m},
	} {
		if _, err := analytics.New(c); err == nil {
			t.Errorf("a recorder without %s was made", name)
		}
	}
}

func TestWaitRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(t), &sink{model: newModel()}
		m.cursor = store.Cursor{Done: 4, Through: 4} // of a process before
		r := run(t, analytics.Config{Log: m, Cursors: m, Sink: s})
		defer r.stop()
		if err := r.WaitRecorded(t.Context(), 4); err != nil {
			t.Errorf("what another process recorded: %v", err)
		}
		m.put(5, rows("acme", false, 0))
		m.put(6, rows("acme", false, 1))
		got := make(chan error, 3)
		for seq := uint64(5); seq <= 7; seq++ {
			go func() {
				err := r.WaitRecorded(t.Context(), seq)
				if lines := s.lines("acme"); err == nil && len(lines) < 3*int(seq-4) {
					err = fmt.Errorf("returned before %d was there: %v", seq, lines)
				}
				got <- err
			}()
		}
		synctest.Wait()
		if len(got) != 0 {
			t.Error("WaitRecorded returned before anything was recorded")
		}
		for range 2 {
			if err := <-got; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if len(got) != 0 {
			t.Error("WaitRecorded returned for what is not there yet")
		}
		m.put(7, rows("acme", false, 2))
		if err := <-got; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := r.WaitRecorded(ctx, 8); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("WaitRecorded of what never comes: %v after %v", err, time.Since(began))
		}
		if err := r.WaitRecorded(ctx, 7); err != nil {
			t.Errorf("what is recorded needs no time: %v", err)
		}
	})
}

// While ClickHouse is away the waits grow to half a minute; then everything is caught
// up with, in one block, and the next trouble begins with a short wait.
func TestClickHouseAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(t), &sink{model: newModel()}
		var away atomic.Bool
		away.Store(true)
		s.insert = func(context.Context) error {
			if away.Load() {
				return errFault
			}
			return nil
		}
		m.put(1, rows("acme", false, 0))
		r := run(t, analytics.Config{Log: m, Cursors: m, Sink: s, Flush: time.Nanosecond})
		defer r.stop()
		const ms = time.Millisecond
		waits := []time.Duration{250 * ms, 500 * ms, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}
		for range 2 {
			s.mu.Lock()
			s.times = nil
			s.mu.Unlock()
			for i := range waits {
				for len(s.tries()) <= i+1 {
					<-time.After(time.Second)
				}
				took := s.tries()[i+1].Sub(s.tries()[i])
				if took < waits[i] || took > waits[i]+time.Millisecond {
					t.Errorf("wait %d took %v, want %v", i, took, waits[i])
				}
			}
			if r.Healthy() {
				t.Error("healthy while ClickHouse is away")
			}
			last := m.last()
			m.put(last+1, rows("acme", false, int(last)))
			away.Store(false)
			if err := r.WaitRecorded(t.Context(), last+1); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if !r.Healthy() {
				t.Error("not healthy although ClickHouse is back")
			}
			away.Store(true)
			m.put(last+2, rows("acme", false, int(last)+1))
			synctest.Wait()
		}
		away.Store(false)
		if err := r.WaitRecorded(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		check(t, s, "acme", rows("acme", false, 0, 1, 2, 3, 4))
	})
}

// Rows wait for others as long as Flush says, unless there are enough of them.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(t), &sink{model: newModel()}
		r := run(t, analytics.Config{Log: m, Cursors: m, Sink: s, Flush: time.Second, MaxRows: 20})
		defer r.stop()
		began := time.Now()
		for i := range 4 {
			m.put(uint64(i+1), rows("acme", false, i))
			<-time.After(300 * time.Millisecond)
		}
		if err := r.WaitRecorded(t.Context(), 4); err != nil {
			t.Fatal(err)
		}
		if took := s.tries()[0].Sub(began); took != time.Second || s.sizes()[0] != 12 || len(s.sizes()) != 1 {
			t.Errorf("blocks of %v rows, the first after %v; want one of 12 after a second", s.sizes(), took)
		}
		began = time.Now()
		var many []int
		for i := range 30 {
			many = append(many, 100+i)
		}
		m.put(5, rows("acme", false, many...))
		if err := r.WaitRecorded(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("a full block waited %v", took)
		}
		// Nothing to do, for a long time, is no trouble.
		<-time.After(time.Hour)
		if !r.Healthy() || len(s.sizes()) != 2 {
			t.Errorf("healthy: %v, blocks: %v", r.Healthy(), s.sizes())
		}
	})
}

// slow is a log whose reads take a while and give little.
type slow struct {
	*memory
	takes time.Duration
}

func (s slow) Read(ctx context.Context, from uint64, _ int, wait time.Duration) ([]analytics.Record, error) {
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
	}
	return s.memory.Read(ctx, from, 1, wait)
}

// A range that was begun is tried again as a whole, however long reading it takes:
// another end would be another token.
func TestBegunRangeIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(t), &sink{model: newModel()}
		m.impatient = true
		for i := range 5 {
			m.put(uint64(i+1), rows("acme", false, i))
		}
		failed := errors.New("the answer was lost")
		after := faulty{m, s, func(step string) error {
			if step == "after insert" && len(s.sizes()) == 3 { // all tables
				return failed
			}
			return nil
		}}
		if err := after.recorder(t).Step(t.Context()); !errors.Is(err, failed) {
			t.Fatal(err)
		}
		r := run(t, analytics.Config{Log: slow{m, 100 * time.Millisecond}, Cursors: m, Sink: s, Flush: 250 * time.Millisecond})
		defer r.stop()
		if err := r.WaitRecorded(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		check(t, s, "acme", rows("acme", false, 0, 1, 2, 3, 4))
	})
}

// A range that was begun and is gone is said to be gone; nothing is recorded in its
// place, neither when the log is empty nor when it goes on behind.
func TestBegunRangeIsGone(t *testing.T) {
	for name, left := range map[string][]uint64{"all": nil, "later ones are left": {8, 9}, "its end": {3, 4}, "its end, later ones are left": {3, 4, 8}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := newMemory(t), &sink{model: newModel()}
				m.cursor = store.Cursor{Done: 2, Through: 5}
				for _, seq := range left {
					m.put(seq, rows("acme", false, int(seq)))
				}
				r := run(t, analytics.Config{Log: m, Cursors: m, Sink: s})
				<-time.After(time.Minute)
				if r.Healthy() || len(s.sizes()) != 0 || m.done() != 2 {
					t.Errorf("healthy: %v, blocks: %v, cursor: %d", r.Healthy(), s.sizes(), m.done())
				}
				r.stop()
			})
		})
	}
}

// Wherever the recorder is when its context ends, Run returns at once, and leaves no
// goroutine: the bubble would not end.
func TestStop(t *testing.T) {
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	fail := func(context.Context) error { return errFault }
	for name, tc := range map[string]struct {
		sink  *sink
		rows  *chatbell.Results
		after time.Duration
	}{
		"while nothing comes":          {&sink{}, nil, time.Hour},
		"while rows wait for more":     {&sink{}, rows("acme", false, 0), 10 * time.Millisecond},
		"while ClickHouse is away":     {&sink{insert: fail}, rows("acme", false, 0), time.Hour},
		"while an insert is under way": {&sink{insert: hang}, rows("acme", false, 0), time.Minute},
		"while a look-up is under way": {&sink{known: hang}, rows("acme", true, 0), time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(t)
				tc.sink.model = newModel()
				if tc.rows != nil {
					m.put(1, tc.rows)
				}
				r := run(t, analytics.Config{Log: m, Cursors: m, Sink: tc.sink})
				<-time.After(tc.after)
				r.stop()
				if m.done() != 0 {
					t.Errorf("the cursor is at %d, and nothing was inserted", m.done())
				}
				// What was in hand is recorded by the next.
				tc.sink.insert, tc.sink.known = nil, nil
				if tc.rows != nil {
					r = run(t, analytics.Config{Log: m, Cursors: m, Sink: tc.sink})
					if err := r.WaitRecorded(t.Context(), 1); err != nil {
						t.Error(err)
					}
					r.stop()
					check(t, tc.sink, "acme", tc.rows)
				}
			})
		})
	}
}

// What cannot be read, or could never be inserted, is handed to Bad and does not stop
// the rest. A block that is read again hands it over again.
func TestBadRecords(t *testing.T) {
	nobodys := func(id chatbell.UUID) *chatbell.Results {
		r := rows("acme", false, 50)
		r.Deliveries[0].DeliveryID = id
		return r
	}
	try := rows("acme", true, 51)
	try.Attempts[0].DeliveryID = "') OR 1=1 --"
	synctest.Test(t, func(t *testing.T) {
		m, s := newMemory(t), &sink{model: newModel()}
		s.insert = func(context.Context) error { // the first answer is lost, so that all is read again
			if len(s.sizes()) == 1 {
				return errFault
			}
			return nil
		}
		m.put(1, rows("acme", false, 0))
		for i, payload := range []string{"", "nonsense", `{"deliveries":[{"replay":-1}]}`, `{"deliveries":7}`, `[]`} {
			m.putRaw(uint64(i+2), []byte(payload))
		}
		m.put(7, nobodys(""))
		m.put(8, nobodys("91E0C74A-1C54-5FB8-AA63-5BCEDC2FD4E6"))
		m.put(9, nobodys("91e0c74a-1c54-5fb8-aa63-5bcedc2fd4e"))
		m.put(10, nobodys("91e0c74a01c54-5fb8-aa63-5bcedc2fd4e6"))
		m.put(11, try)
		m.put(12, rows("acme", true, 0, 1))
		var bad []uint64
		r := run(t, analytics.Config{Log: m, Cursors: m, Sink: s, Bad: func(_ context.Context, rec analytics.Record, err error) error {
			if err == nil {
				t.Errorf("record %d is bad without a reason", rec.Sequence)
			}
			bad = append(bad, rec.Sequence)
			if len(bad) == 3 {
				return errFault // cannot be kept now: all of it comes again
			}
			return nil
		}})
		defer r.stop()
		if err := r.WaitRecorded(t.Context(), 12); err != nil {
			t.Fatal(err)
		}
		check(t, s, "acme", rows("acme", false, 0, 1))
		m.putRaw(13, []byte("nothing but nonsense"))
		if err := r.WaitRecorded(t.Context(), 13); err != nil {
			t.Fatal(err)
		}
		if want := []uint64{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}; !slices.Equal(slices.Compact(slices.Sorted(slices.Values(bad))), append(want, 13)) {
			t.Errorf("bad were %v, want %v and 13", bad, want)
		}
		if len(s.sizes()) != 2 {
			t.Errorf("blocks of %v rows, want two: nothing is inserted for nonsense", s.sizes())
		}
		synctest.Wait()
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.purged != 14 {
			t.Errorf("purged before %d, want 14", m.purged)
		}
	})
}
