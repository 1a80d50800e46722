package deliver

import (
	"time"

	"chatbell/internal/backoff"
)

const (
	// quietAfter is how long a busy destination may say nothing and still be given all
	// that comes; one that is well answers something all the time.
	quietAfter = 250 * time.Millisecond
	// stallAfter is how long it may say nothing before its breaker opens: making a
	// connection takes less.
	stallAfter = time.Second
	// openAfter is how many tries in a row have to fail without any success in between
	// before the breaker opens: one call that an endpoint cannot digest is not an outage.
	openAfter = 10
	// probes is how many tries a destination gets at once while its breaker is open. Two,
	// so that one that hangs for the length of a timeout does not hide that it is back.
	probes = 2
	// probeFirst and probeMax bound the wait between probes: an outage of seconds is over
	// soon after its end, and one of days costs a try a minute.
	probeFirst = time.Second
	probeMax   = time.Minute
)

// breaker is the circuit breaker of one destination. Closed, everything may be in flight;
// degraded, when it has been quiet for a moment, a share; open, when it says nothing or
// refuses everything, two probes now and then (half-open), and what comes waits in the
// backlog. The first success closes it. The queue's lock guards it.
type breaker struct {
	trying  int       // tries in flight
	heard   time.Time // when it last answered, or else was first given work
	silent  bool      // the last try that ended had no answer
	failed  int       // tries in a row that failed for want of the destination
	probed  int       // probes in a row that failed
	probeAt time.Time // when the next probe may begin
}

// resume says that work comes after a time without any: silence counts from now on.
func (b *breaker) resume(now time.Time) {
	if !b.silent {
		b.heard = now
	}
}

// open reports whether the destination is taken to be away. Busy says that it has work:
// silence without any says nothing.
func (b *breaker) open(busy bool, now time.Time) bool {
	return b.failed >= openAfter || (busy || b.silent) && now.Sub(b.heard) > stallAfter
}

// quiet reports whether the destination has work and has said nothing for a moment.
func (b *breaker) quiet(busy bool, now time.Time) bool { return busy && now.Sub(b.heard) > quietAfter }

// begin takes a try, or reports that it is to be skipped because the breaker is open and
// no probe is due.
func (b *breaker) begin(now time.Time) (skip bool) {
	if b.open(b.trying > 0, now) {
		if b.trying >= probes || now.Before(b.probeAt) {
			return true
		}
		b.await(now)
	}
	b.trying++
	return false
}

// probe reports how many probes may begin, and when the next may.
func (b *breaker) probe(now time.Time) (int, time.Time) {
	if now.Before(b.probeAt) {
		return 0, b.probeAt
	}
	return max(probes-b.trying, 0), now.Add(probeFirst)
}

// prove lets the next probes begin at once: there is reason to think that they succeed.
func (b *breaker) prove() {
	b.probed = 0
	b.probeAt = time.Time{}
}

// await sets when the next probe may begin.
func (b *breaker) await(now time.Time) {
	b.probed++
	b.probeAt = now.Add(backoff.Exponential(probeFirst, probeMax, b.probed))
}

// end takes the end of a try that begin let through, and reports whether it has closed
// the breaker.
func (b *breaker) end(how answerKind, now time.Time) (closed bool) {
	wasOpen := b.open(true, now)
	b.trying--
	b.silent = how == noAnswer
	if how != noAnswer {
		b.heard = now
	}
	if how == noAnswer || how == unable {
		b.failed++
		return false
	}
	b.failed = 0
	b.prove()
	return wasOpen
}

// answer is what a try tells of its destination.
type answer struct {
	kind answerKind
	// after is what a destination that was asked too fast said in its Retry-After.
	after time.Duration
	// word is what it says of a token, if anything, and sandbox the token's environment.
	word    tokenWord
	sandbox bool
}

type answerKind int

const (
	// nothingKnown: the try was not made, or was broken off by us.
	nothingKnown answerKind = iota
	// able: it accepted, or refused this one for a reason of its own.
	able
	// limited: it asked to be called less often.
	limited
	// unable: it answered that it cannot now, as it would anybody.
	unable
	// noAnswer: it said nothing, or could not be reached.
	noAnswer
)
