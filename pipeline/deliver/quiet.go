package deliver

import (
	"sync"
	"time"
)

const (
	// quietTries is how many tries all destinations together may have in memory that have
	// become quiet: few beside what the stages have in flight. What comes on top goes to
	// the backlogs, so that a hundred that hang do not hold the places of all others.
	quietTries = 256
	// quietFresh is how old the sum may be: going over all destinations costs some 50 ns
	// for each.
	quietFresh = 20 * time.Millisecond
)

// quietShare is what the quiet destinations have in memory, all together. Safe for
// concurrent use.
type quietShare struct {
	sum func(now time.Time) int

	mu   sync.Mutex
	at   time.Time
	held int
}

// full reports whether the quiet destinations may have no more in memory. The caller
// must hold the lock of no queue.
func (s *quietShare) full(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.at) > quietFresh {
		s.at = now
		s.held = s.sum(now)
	}
	return s.held >= quietTries
}

// add counts tries that a quiet destination was given since the sum was made.
func (s *quietShare) add(tries int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held += tries
}
