package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// errStopped is the trouble of a supervisor that was closed.
var errStopped = errors.New("the ClickHouse engine is stopped")

// mistakeError is what is wrong with the configuration, or with what is around it: the
// next try fails as well, until somebody mends it.
type mistakeError struct{ text string }

func (e *mistakeError) Error() string { return e.text }

// supervise keeps a child running until ctx ends, or until the first one says that its
// configuration is wrong.
func (s *Supervisor) supervise(ctx context.Context) {
	defer close(s.done)
	var pauses restarts
	for {
		answered, err := s.live(ctx)
		if ctx.Err() != nil || s.tellFirst(err) {
			return
		}
		pause := pauses.next(answered)
		s.cfg.Logger.Error("ClickHouse is away: results wait, and the engine is started again", "cause", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			s.down(errStopped)
			return
		}
	}
}

// tellFirst tells Start, once, what the first child came to; fatal says that Start fails
// by it.
func (s *Supervisor) tellFirst(err error) (fatal bool) {
	var mistake *mistakeError
	if !errors.As(err, &mistake) {
		err = nil
	}
	if s.told {
		return false
	}
	s.told = true
	select {
	case s.first <- err:
		return err != nil
	default: // Start has not waited for it
		return false
	}
}

// live is the life of one child. It returns how long the child answered, and why it is
// gone.
func (s *Supervisor) live(ctx context.Context) (answered time.Duration, err error) {
	proc, err := s.spawn()
	if err != nil {
		err = &mistakeError{fmt.Sprintf("start the ClickHouse engine: %v", err)}
		s.down(err)
		return 0, err
	}
	s.born(proc.pid())
	ticks := time.NewTicker(s.cfg.Heartbeat)
	defer ticks.Stop()
	var silent int // ticks since the child was last heard of
	var ready time.Time
	begun := time.Now()
	reports := proc.reports
	grace := drainWait
	for err == nil {
		select {
		case rep, open := <-reports:
			if !open { // its end follows; if not, it is silent from now on
				reports = nil
				continue
			}
			silent = 0
			if s.hear(rep); rep.State == stateAnswers {
				ready = time.Now()
			}
		case <-ticks.C:
			silent++
			if err = s.hangs(silent, ready.IsZero(), time.Since(begun)); err != nil {
				grace = 0
			}
		case <-proc.done:
			err = proc.cause()
		case <-ctx.Done():
			err = errStopped
		}
	}
	s.down(err)
	proc.end(grace)
	if ready.IsZero() {
		return 0, err
	}
	return time.Since(ready), err
}

// hangs tells whether a child has to be ended by force. The beats are counted rather
// than their times compared: a parent that was itself stopped for a while finds one
// silent tick.
func (s *Supervisor) hangs(silent int, loading bool, age time.Duration) error {
	switch {
	case silent >= s.cfg.Misses:
		return fmt.Errorf("the ClickHouse engine hangs: nothing was heard of it in %d heartbeats of %v", silent, s.cfg.Heartbeat)
	case loading && age > loadWait:
		return fmt.Errorf("the ClickHouse engine did not open its data within %v", loadWait)
	}
	return nil
}

// born notes a new child.
func (s *Supervisor) born(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pid = pid
	s.before = s.before.plus(s.strangers) // a child counts from 0
	s.strangers = Strangers{}
}

// hear takes a report of the living child.
func (s *Supervisor) hear(r report) {
	s.mu.Lock()
	switch r.State {
	case stateBeat:
		s.beats++
		if r.Strangers != nil {
			s.strangers = *r.Strangers
		}
	case stateWaits:
		s.trouble = errors.New("the ClickHouse engine waits: " + r.Error)
	case stateBound:
		s.addr = r.Addr
		s.trouble = errors.New("the ClickHouse engine is opening its data")
	case stateAnswers:
		s.version = r.Version
		s.trouble = nil
		close(s.ready)
	case stateNote: // for people, below
	case stateFailed: // its process tells, when it has ended
	}
	addr := s.addr
	s.mu.Unlock()
	switch r.State {
	case stateWaits, stateBound:
		s.tellFirst(nil)
	case stateAnswers:
		s.cfg.Logger.Info("the ClickHouse engine answers", "address", addr, "version", r.Version)
	case stateNote:
		s.note(r)
	case stateBeat, stateFailed: // nothing new for people
	}
}

// note writes into the log what a child has to say.
func (s *Supervisor) note(r report) {
	var attrs []any
	for _, name := range slices.Sorted(maps.Keys(r.About)) {
		attrs = append(attrs, name, r.About[name])
	}
	s.cfg.Logger.Warn("ClickHouse engine: "+r.Note, attrs...)
}

// down makes Ready wait again, and Err say why.
func (s *Supervisor) down(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble == nil {
		s.ready = make(chan struct{})
		if !errors.Is(why, errStopped) {
			s.ended++
		}
	}
	s.pid = 0
	s.trouble = why
}

// restarts are the pauses before a child is started again: a child that cannot start
// must not eat the machine, one that fell once is back at once.
type restarts struct{ pause time.Duration }

// The pause doubles with each end, and is halved for each pauseRecovery that the child
// answered in between: what happened days ago counts no more, and whoever finds a way
// to crash it each second is slowed down.
const (
	pauseFirst    = 100 * time.Millisecond
	pauseLast     = 30 * time.Second
	pauseRecovery = 10 * time.Second
)

// next is the pause after a child that has answered for so long.
func (r *restarts) next(answered time.Duration) time.Duration {
	halvings := min(answered/pauseRecovery, 32)
	pause := max(r.pause>>halvings, pauseFirst)
	r.pause = min(2*pause, pauseLast)
	return pause
}
