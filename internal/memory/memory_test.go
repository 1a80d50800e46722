package memory

import (
	"context"
	"log/slog"
	"testing"
	"time"
)

// What a burst has left is given back within seconds, although nothing is allocated any
// more that would make the runtime look.
func TestMemoryOfABurstIsGivenBack(t *testing.T) {
	const burst = 512 << 20
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	before := readMemory().held
	ballast := make([][]byte, burst>>20)
	for i := range ballast {
		ballast[i] = make([]byte, 1<<20)
		ballast[i][0] = 1
	}
	if held := readMemory().held; held < before+burst/2 {
		t.Fatalf("the burst holds %d MiB only", (held-before)>>20)
	}
	clear(ballast)
	go func() { done <- newWatcher(slog.New(slog.DiscardHandler)).run(ctx, 50*time.Millisecond) }()
	// The runtime would do it after two minutes.
	deadline := time.After(time.Minute)
	for readMemory().held > before+memoryWorth {
		select {
		case <-deadline:
			t.Fatalf("%d MiB are held, before the burst it was %d", readMemory().held>>20, before>>20)
		case <-time.After(20 * time.Millisecond):
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A collection is not free: it is made when it is worth it, when the server is not busy,
// and not all the time.
func TestMemoryIsLookedAtSeldom(t *testing.T) {
	const mib = 1 << 20
	now := time.Unix(1_700_000_000, 0)
	var use memoryUse
	freed := 0
	m := &watcher{log: slog.New(slog.DiscardHandler), read: func() memoryUse { use.at = now; return use }, free: func() {
		freed++
		use.held = use.live + 20*mib
	}}
	m.last = m.read()
	look := func(what string, want int) {
		t.Helper()
		now = now.Add(memoryEvery)
		m.look()
		if freed != want {
			t.Errorf("%s: %d collections, want %d", what, freed, want)
		}
	}
	use = memoryUse{held: 100 * mib, live: 50 * mib}
	look("at rest", 0)
	use.held, use.allocated = 1500*mib, 2000*mib
	look("in the burst", 0)
	look("after the burst", 1)
	use.live, use.held = 400*mib, 420*mib // the broker's caches, say
	for range 2 {
		look("too soon", 1)
	}
	use.live = 60 * mib // they have ended; this the runtime knows when it has looked
	look("once more, because it was worth it", 2)
	use.live, use.held = 900*mib, 950*mib // in use for good
	for range 10 {
		now = now.Add(memoryRest)
		look("memory that is in use: once, and it was not worth it", 3)
	}
}
