package deliver

import (
	"context"
	"errors"
	"sync"
	"time"

	"chatbell"
	"chatbell/internal/backoff"
	"chatbell/internal/store"
)

const (
	// settlers settle side by side: each waits for the broker and for the store, and what
	// waits meanwhile shares the next writes.
	settlers = 4
	// settleBatch is how many flights share one write of results and one transaction.
	settleBatch = 128
	// settleFirst and settleMax bound the waits between tries of a write. They have no end
	// while the process runs: what waits in memory for them is bounded, and a batch that
	// was let go of before its rows are durable would be sent again.
	settleFirst = 100 * time.Millisecond
	settleMax   = 5 * time.Second
)

// settler settles the flights that no handler waits for: those of batches that waited, and
// those that took longer than a handler's patience. Its goroutines run while there is
// something to settle.
type settler struct {
	dispatcher *Dispatcher
	wg         sync.WaitGroup

	// stopped ends the tries of writes that do not succeed.
	stopped context.Context //nolint:containedctx // it is the settler's own life
	stop    context.CancelFunc

	mu      sync.Mutex
	ended   []*Flight
	running int
}

func newSettler(d *Dispatcher) *settler {
	s := &settler{dispatcher: d}
	s.stopped, s.stop = context.WithCancel(context.Background())
	return s
}

// add takes a flight that has ended.
func (s *settler) add(f *Flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, f)
	if s.running < settlers {
		s.running++
		s.wg.Add(1)
		go s.run()
	}
}

// finish waits until all has been settled. When the context ends, writes that do not
// succeed are given up: the rows stay in the backlog, and the next process finds out what
// was done.
func (s *settler) finish(ctx context.Context) {
	defer context.AfterFunc(ctx, s.stop)()
	s.wg.Wait()
	s.stop()
}

func (s *settler) run() {
	defer s.wg.Done()
	for {
		flights := s.take()
		if len(flights) == 0 {
			return
		}
		s.settle(flights)
	}
}

// take takes some of what has ended; none means that the goroutine ends.
func (s *settler) take() []*Flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.ended), settleBatch)
	if n == 0 {
		s.running--
		return nil
	}
	flights := s.ended[:n:n]
	s.ended = s.ended[n:]
	return flights
}

// end is what a flight came to.
type end struct {
	flight   *Flight
	finished bool
	due      time.Time // if it is not finished
}

func (s *settler) settle(flights []*Flight) {
	dispatcher := s.dispatcher
	var fresh, repeated chatbell.Results
	repeated.MaybeRepeat = true
	var settled store.Settled
	var added []deferral
	ends := make([]end, 0, len(flights))
	for _, flight := range flights {
		out := &fresh
		if flight.redelivered {
			out = &repeated
		}
		e, rest := s.one(flight, out, &settled)
		ends = append(ends, e)
		added = append(added, rest...)
	}
	err := s.persist(func(ctx context.Context) error {
		return errors.Join(dispatcher.cfg.Results.Write(ctx, &fresh), dispatcher.cfg.Results.Write(ctx, &repeated))
	})
	if err == nil {
		dispatcher.cfg.Ledger.Finished(&repeated)
		err = s.persist(func(ctx context.Context) error { return dispatcher.cfg.Waiting.SettleWaiting(ctx, settled) })
	}
	if err != nil {
		dispatcher.cfg.Log.Error("what became of work that waited cannot be stored; the next start looks at it again", "batches", len(flights), "error", err)
		return
	}
	for _, w := range added {
		dispatcher.queue(w.batch.Destination).deferred(w.due)
	}
	for _, e := range ends {
		dispatcher.queue(e.flight.batch.Destination).settled(e.flight.row, e.finished, e.due)
		dispatcher.forget(e.flight)
	}
}

// one settles a flight: its rows go to out, what follows for the backlog to settled.
func (s *settler) one(flight *Flight, out *chatbell.Results, settled *store.Settled) (end, []deferral) {
	dispatcher := s.dispatcher
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	out.Deliveries = append(out.Deliveries, flight.stopped...)
	again, err := flight.settle(ctx, out)
	if err != nil { // a flight of the dispatcher's own has none
		dispatcher.cfg.Log.Error("a batch that waited cannot be settled", "destination", flight.batch.Destination, "error", err)
	}
	for _, w := range again {
		w.batch.Redelivered = w.batch.Redelivered || flight.redelivered
	}
	rows, err := dispatcher.rows(again)
	if err != nil || len(rows) == 0 {
		settled.Done = append(settled.Done, flight.place)
		return end{flight: flight, finished: true}, nil
	}
	rows[0].Seq = flight.place
	settled.Again = append(settled.Again, rows[0])
	settled.New = append(settled.New, rows[1:]...)
	return end{flight: flight, due: rows[0].DueAt}, again[1:]
}

// persist tries a write until it succeeds, or the process stops.
func (s *settler) persist(write func(context.Context) error) error {
	for n := 1; ; n++ {
		ctx, cancel := context.WithTimeout(context.Background(), settleTime)
		err := write(ctx)
		cancel()
		if err == nil {
			return nil
		}
		if n == 1 {
			s.dispatcher.cfg.Log.Warn("what became of work that waited cannot be stored; trying again", "error", err)
		}
		if !sleep(s.stopped, backoff.FullJitter(settleFirst, settleMax, n)) {
			return err
		}
	}
}
