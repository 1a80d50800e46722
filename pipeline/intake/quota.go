package intake

import (
	"fmt"
	"time"
)

// Quota is the rate limit of one network. The zero value is none.
type Quota struct {
	// EventsPerSecond bounds its requests, and BytesPerSecond the bytes of their payloads;
	// 0 is no limit.
	EventsPerSecond, BytesPerSecond int64
}

// bucket is a token bucket which holds a second's worth. The zero value is full.
type bucket struct {
	spent float64 // of what it holds when it is full
	at    time.Time
}

// wait is how long it takes until n tokens are there, at a rate of so many a second; 0
// when they are, or when there is no limit. A single request passes a full bucket whatever
// its size, since nobody could split it; others that are larger than the bucket never
// pass.
func (b *bucket) wait(now time.Time, rate, n int64, single bool) time.Duration {
	if rate <= 0 {
		return 0
	}
	b.spent = max(0, b.spent-float64(rate)*now.Sub(b.at).Seconds())
	b.at = now
	if single {
		n = min(n, rate)
	}
	missing := float64(n) - (float64(rate) - b.spent)
	if missing <= 0 {
		return 0
	}
	return max(time.Millisecond, time.Duration(missing/float64(rate)*float64(time.Second)))
}

// take spends tokens.
func (b *bucket) take(n int64) { b.spent += float64(n) }

// giveBack returns tokens that were not used.
func (b *bucket) giveBack(n int64) { b.spent = max(0, b.spent-float64(n)) }

// The limits of one network, for metrics. The list is closed.
const (
	LimitEvents  = "events_per_second"
	LimitBytes   = "bytes_per_second"
	LimitBacklog = "backlog" // its share of the requests that wait
	LimitStorage = "storage" // its share of the stream's bytes
)

// limited is that a network has reached one of its own limits.
type limited struct {
	limit  string
	wait   time.Duration
	detail string // for the network's own callers
}

func overRate(limit, what string, rate, n int64, wait time.Duration) *limited {
	if n > rate {
		return &limited{limit, time.Second, fmt.Sprintf("the quota is %d %s a second, and this request has %d: send fewer at once", rate, what, n)}
	}
	return &limited{limit, wait, fmt.Sprintf("the quota of %d %s a second is used up", rate, what)}
}

// rate tells which rate a demand would exceed now; nil if none.
func (u *usage) rate(now time.Time, quota Quota, d *demand) *limited {
	single := d.requests == 1
	if wait := u.events.wait(now, quota.EventsPerSecond, d.requests, single); wait > 0 {
		return overRate(LimitEvents, "events", quota.EventsPerSecond, d.requests, wait)
	}
	if wait := u.bytes.wait(now, quota.BytesPerSecond, d.payload, single); wait > 0 {
		n := d.payload
		if single {
			n = 0 // it passes later, whatever its size
		}
		return overRate(LimitBytes, "bytes", quota.BytesPerSecond, n, wait)
	}
	return nil
}
