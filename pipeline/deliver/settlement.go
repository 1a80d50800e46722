package deliver

import (
	"context"
	"errors"
	"time"

	"chatbell"
	"chatbell/pipeline/jetstream"
)

const (
	// settleTime bounds the writes that settle finished work while the process stops.
	settleTime = 10 * time.Second
	// patience is how long a handler waits for the tries of its message: after that what
	// is not decided goes into the backlog, where the try's end finds it, and the message
	// is done. So a destination that hangs holds no place of the stages for longer.
	patience = 2 * time.Second
	// writeEvery is how often the rows of what has ended are written meanwhile.
	writeEvery = 200 * time.Millisecond
)

// Settlement is the flights of one message, and the rows that are known of it.
type Settlement struct {
	// Message is whose flights they are; nil where the caller knows.
	Message *jetstream.Item
	Flights []*Flight
	Results chatbell.Results
}

// Settle waits for everything that is in flight, for a while, makes the rows durable, and
// puts what has to be tried again, or is still in flight, into the backlogs. After that
// the message behind them may be acknowledged. It finishes even when ctx ends: what a
// provider accepted has to be recorded, and what was not tried waits in the store for the
// next process.
func (d *Dispatcher) Settle(ctx context.Context, flights []*Flight, out *chatbell.Results) error {
	var failed error
	d.SettleAll(ctx, []*Settlement{{Flights: flights, Results: *out}}, func(_ []*Settlement, err error) { failed = err })
	return failed
}

// SettleAll is [Dispatcher.Settle] for several messages, which share the writes. Those that
// have ended do not wait for the others for longer than a moment: settled is told of each
// message once, and of as many as possible at a time.
func (d *Dispatcher) SettleAll(ctx context.Context, all []*Settlement, settled func(some []*Settlement, err error)) {
	group := &settling{dispatcher: d, settled: settled}
	for end := time.Now().Add(patience); len(all) > 0; {
		if await(all, end) {
			group.last(ctx, all)
			break
		}
		var ended, rest []*Settlement
		for _, s := range all {
			if s.ended() {
				ended = append(ended, s)
			} else {
				rest = append(rest, s)
			}
		}
		group.last(ctx, ended)
		all = group.some(ctx, rest)
	}
	// Tries of what comes again must not be under way twice; nobody else waits for them.
	for _, f := range group.failed {
		abandon(f.settlement.Flights)
		settled([]*Settlement{f.settlement}, f.err)
	}
}

// settling is one call of [Dispatcher.SettleAll].
type settling struct {
	dispatcher *Dispatcher
	settled    func([]*Settlement, error)
	failed     []unsettled
}

// unsettled is a message that comes again, and why.
type unsettled struct {
	settlement *Settlement
	err        error
}

// ended reports whether nothing of it is in flight.
func (s *Settlement) ended() bool {
	for _, flight := range s.Flights {
		if !isClosed(flight.done) {
			return false
		}
	}
	return true
}

// await waits for flights for a moment, and reports whether there is nothing more to wait
// for: all have ended, or the handlers' patience.
func await(all []*Settlement, patienceEnds time.Time) bool {
	left := time.Until(patienceEnds)
	timer := time.NewTimer(min(left, writeEvery))
	defer timer.Stop()
	for _, s := range all {
		for _, flight := range s.Flights {
			select {
			case <-flight.done: // the tries see the same context, so they end soon after it does
			case <-timer.C:
				return left <= writeEvery
			}
		}
	}
	return true
}

// last settles messages for good: what is still in flight goes into the backlogs.
func (g *settling) last(ctx context.Context, all []*Settlement) {
	if len(all) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	good := g.record(ctx, all)
	var again []deferral
	for _, s := range good {
		again = append(again, s.again()...)
	}
	first := len(again)
	var parked []*Flight // those of again from the first on
	for _, s := range good {
		for _, flight := range s.Flights {
			rest, ok := flight.park()
			if !ok {
				continue
			}
			flight.redelivered = s.Results.MaybeRepeat
			rest.batch.Redelivered = rest.batch.Redelivered || flight.redelivered
			again = append(again, rest)
			parked = append(parked, flight)
		}
	}
	places, err := g.dispatcher.put(ctx, again)
	if err != nil {
		g.fail(err, good...)
		return
	}
	for i, flight := range parked {
		flight.adopt(places[first+i]) //nolint:contextcheck // from now on it outlives its message
	}
	if len(good) > 0 {
		g.settled(good, nil)
	}
}

// again is what has to be tried again of a message.
func (s *Settlement) again() []deferral {
	var all []deferral
	for _, flight := range s.Flights {
		all = append(all, flight.again...)
	}
	for _, w := range all {
		w.batch.Redelivered = w.batch.Redelivered || s.Results.MaybeRepeat
	}
	return all
}

// some writes the rows of the tries that have ended so far, and clears the results: what
// was accepted a while ago is not sent again after a crash, however long the rest takes.
// What has to be tried again waits for the end. It returns the messages that go on.
func (g *settling) some(ctx context.Context, all []*Settlement) []*Settlement {
	if len(all) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	good := g.record(ctx, all)
	for _, s := range good {
		s.Results = chatbell.Results{MaybeRepeat: s.Results.MaybeRepeat}
	}
	return good
}

// record makes the rows of what has ended durable, and returns the messages for which that
// succeeded; the others are told of the error.
//
// Rows are written even where a message could not be settled: what was accepted is
// accepted, and the repeat finds it in the records. They are written before anything is
// put into a backlog: a try whose retry is known has its row.
func (g *settling) record(ctx context.Context, all []*Settlement) []*Settlement {
	rows := make([]*chatbell.Results, len(all))
	good := make([]*Settlement, 0, len(all))
	for i, s := range all {
		rows[i] = &s.Results
		if err := s.settle(ctx); err != nil {
			g.fail(err, s)
			continue
		}
		good = append(good, s)
	}
	if err := g.dispatcher.cfg.Results.Write(ctx, rows...); err != nil {
		g.fail(err, good...) // all of it comes again; what waited in the store besides would be sent twice
		return nil
	}
	return good
}

// fail notes messages that have to come again.
func (g *settling) fail(err error, some ...*Settlement) {
	for _, s := range some {
		g.failed = append(g.failed, unsettled{s, err})
	}
}

// settle adds the rows of the tries that have ended to the results.
func (s *Settlement) settle(ctx context.Context) error {
	var errs []error
	for _, flight := range s.Flights {
		rest, err := flight.settle(ctx, &s.Results)
		flight.again = append(flight.again, rest...)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// abandon waits for the tries of messages that come again.
func abandon(flights []*Flight) {
	for _, flight := range flights {
		<-flight.done
	}
}
