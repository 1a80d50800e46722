// Package backoff says how long to wait before another try: exponential backoff, with
// jitter where many would otherwise come back together, or what a server asks for. It is the
// one place where such waits are computed; when to give up is its callers'.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Exponential is the wait after the n-th failure, from 1: initial, doubled each time, up
// to limit.
func Exponential(initial, limit time.Duration, n int) time.Duration {
	if n > 30 { // beyond that the shift overflows, and the limit holds anyway
		return limit
	}
	return min(limit, initial<<max(n-1, 0))
}

// least keeps full jitter from drawing a wait that is no wait.
const least = 50 * time.Millisecond

// FullJitter draws a wait between 0 (in truth 50 ms) and the exponential one, evenly: what
// failed together is spread as far as it can be.
func FullJitter(initial, limit time.Duration, n int) time.Duration {
	return max(least, rand.N(Exponential(initial, limit, n)+1))
}

// Around draws from within share of a wait, to both sides: with 0.1 from 90 to 110 %.
func Around(wait time.Duration, share float64) time.Duration {
	return wait + time.Duration((2*rand.Float64()-1)*share*float64(wait))
}

// Above draws from a wait to share beyond it: with 0.25 from 100 to 125 %.
func Above(wait time.Duration, share float64) time.Duration {
	return wait + time.Duration(rand.Float64()*share*float64(wait))
}
