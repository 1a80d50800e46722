package listen

import (
	"container/list"
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

const (
	// Of one address ten wrong credentials are answered at once: a new deployment with
	// an old key finds out without delay. After that each waits for its turn, four a
	// second for all of the address's connections together, but no longer than
	// longestWait: whoever holds a thousand connections may use them for that, and others
	// take their places when they are needed (see [Limiter]).
	burst       = 10
	turn        = 250 * time.Millisecond
	longestWait = 2 * time.Second
	// maxAddresses bounds the memory, to less than a megabyte. Who was silent for the
	// longest time is forgotten first.
	maxAddresses = 4096
	// An address is logged once in logSpan, and all of them together logBurst at once and
	// then one in logPause: who has many addresses does not fill the disk.
	logSpan  = 10 * time.Minute
	logBurst = 20
	logPause = 10 * time.Second
)

// ThrottleConfig is what a throttle is made of; the zero value is ready for use.
type ThrottleConfig struct {
	// What names the credentials in the log, for example "API key".
	What string
	// Burst is how many wrong credentials of one address are answered at once; 0 means ten.
	Burst int
	// Logger is told of an address once in ten minutes, and how often that was. It never
	// sees a credential.
	Logger *slog.Logger
}

// Throttle slows those who try wrong keys and passwords. It is asked after a credential
// was found to be wrong, so that a right one is never slowed, whatever else its address
// has sent.
type Throttle struct {
	what  string
	burst time.Duration // in turns
	log   *slog.Logger

	mu        sync.Mutex
	addresses map[netip.Addr]*list.Element
	recent    list.List // of *guesser, the one that was silent for the longest first
	logAt     time.Time // when the next line is due, were they evenly spread
	unlogged  int       // tries of addresses that found no room in the log
}

// guesser is an address with wrong credentials.
type guesser struct {
	from   netip.Addr
	next   time.Time // when the next try's turn is
	logged time.Time
	tries  int // since the log knows of them
}

// NewThrottle makes a throttle, one for each kind of credential.
func NewThrottle(cfg ThrottleConfig) *Throttle {
	if cfg.What == "" {
		cfg.What = "credential"
	}
	if cfg.Burst <= 0 {
		cfg.Burst = burst
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Throttle{
		what:      cfg.What,
		burst:     time.Duration(cfg.Burst) * turn,
		log:       cfg.Logger,
		addresses: map[netip.Addr]*list.Element{},
	}
}

// Wrong counts a wrong credential from an address, as [AddressOf] says it, and returns
// when it may be answered, or when the context ends.
func (t *Throttle) Wrong(ctx context.Context, from netip.Addr) {
	wait := t.note(from, time.Now())
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// note counts a try and returns how long it waits.
func (t *Throttle) note(from netip.Addr, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	guess := t.guesser(from)
	guess.tries++
	t.tell(guess, now)
	if earliest := now.Add(-t.burst); guess.next.Before(earliest) {
		guess.next = earliest
	}
	guess.next = guess.next.Add(turn)
	if latest := now.Add(longestWait); guess.next.After(latest) {
		guess.next = latest
	}
	return guess.next.Sub(now)
}

// guesser finds an address, and makes room for it when it is new.
func (t *Throttle) guesser(from netip.Addr) *guesser {
	if element, ok := t.addresses[from]; ok {
		t.recent.MoveToBack(element)
		return element.Value.(*guesser) //nolint:forcetypeassert // the list holds nothing else
	}
	if t.recent.Len() >= maxAddresses {
		oldest := t.recent.Front()
		delete(t.addresses, oldest.Value.(*guesser).from) //nolint:forcetypeassert // as above
		t.recent.Remove(oldest)
	}
	guess := &guesser{from: from}
	t.addresses[from] = t.recent.PushBack(guess)
	return guess
}

// tell logs an address, if it is its turn.
func (t *Throttle) tell(guess *guesser, now time.Time) {
	if !guess.logged.IsZero() && now.Sub(guess.logged) < logSpan {
		return
	}
	if earliest := now.Add(-logBurst * logPause); t.logAt.Before(earliest) {
		t.logAt = earliest
	}
	if !t.logAt.Before(now) {
		t.unlogged++
		return
	}
	t.logAt = t.logAt.Add(logPause)
	t.log.Warn("a wrong "+t.what+" was sent; more from this address are answered slowly and logged once in "+logSpan.String(),
		"address", guess.from, "tries", guess.tries, "tries_of_others", t.unlogged)
	guess.logged = now
	guess.tries = 0
	t.unlogged = 0
}
