package deliver

import (
	"math"
	"time"
)

const (
	// quietAfter is how long a busy destination may say nothing and still be given all
	// that comes; one that is well answers something all the time.
	quietAfter = 250 * time.Millisecond
	// stallAfter is how long it may say nothing before its breaker opens: making a
	// connection takes less.
	stallAfter = time.Second
	// probes is how many tries a destination gets at once while its breaker is open:
	// enough to see soon that it is back.
	probes = 64
)

// breaker is the circuit breaker of one destination. It goes by silence, not by errors:
// a destination that refuses is alive, and its refusals cost nothing; one that says
// nothing holds a place for the length of a timeout. Closed, everything may be in flight;
// degraded, after quietAfter, a share; open, after stallAfter, a few probes. The first
// answer closes it. The queue's lock guards it.
type breaker struct {
	trying int       // tries in flight
	heard  time.Time // when it last answered, or else was first given work
	silent bool      // the last try that ended had no answer
}

// resume says that work comes after a time without any: silence counts from now on.
func (b *breaker) resume(now time.Time) {
	if !b.silent {
		b.heard = now
	}
}

// open reports whether the destination has had work for a while and said nothing.
func (b *breaker) open(now time.Time) bool { return now.Sub(b.heard) > stallAfter }

// quiet reports whether the destination has had work for a moment and said nothing.
func (b *breaker) quiet(now time.Time) bool { return now.Sub(b.heard) > quietAfter }

// limit is how many tries may wait and be in flight together; degraded is the share of a
// destination that has begun to be quiet.
func (b *breaker) limit(degraded int, now time.Time) int {
	switch {
	case b.open(now):
		return probes
	case b.quiet(now):
		return max(degraded, probes)
	}
	return math.MaxInt // there is the quota besides
}

// begin takes a try, or reports that it is to be skipped: a destination whose breaker is
// open, and which has not answered the try before, gets a few at once.
func (b *breaker) begin(now time.Time) (skip bool) {
	if b.silent && b.trying >= probes && b.open(now) {
		return true
	}
	b.trying++
	return false
}

// end takes the end of a try that begin let through.
func (b *breaker) end(answered bool, now time.Time) {
	b.trying--
	b.silent = !answered
	if answered {
		b.heard = now
	}
}
