// Package memory gives the memory of a burst back to the system. The runtime collects what
// a burst has left when as much again was allocated, which an idle server does not do, or
// after two minutes, and returns it bit by bit: for minutes a gigabyte that nobody uses
// would be missing to ClickHouse beside it.
package memory

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// watcher looks at the memory and gives back what is worth it.
type watcher struct {
	read func() memoryUse
	free func() // collects, and returns all that is unused
	log  *slog.Logger

	last  memoryUse
	freed time.Time
	rest  uint64 // what was held after the last time, or less since
	again bool   // the last time was worth it
}

// memoryUse is what the runtime says at a time.
type memoryUse struct {
	at        time.Time
	held      uint64 // bytes that the system has given and not got back
	live      uint64 // bytes in use when they were last counted
	allocated uint64 // bytes that were ever allocated on the heap
}

const (
	// memoryEvery is how often it is looked at: reading costs microseconds.
	memoryEvery = 5 * time.Second
	// memoryWorth is how much must be there to be given back. A collection takes
	// milliseconds for each 100 MB in use, and what is given back costs a page fault when
	// it is needed again.
	memoryWorth = 128 << 20
	// memoryQuiet is how many bytes a second a server allocates that is not busy: above
	// it the next collection comes by itself.
	memoryQuiet = 16 << 20
	// memoryRest lies between two times; caches that end by their age (the broker's do)
	// are caught by the second.
	memoryRest = 15 * time.Second
)

// Watch gives back what is not needed, until the context ends.
func Watch(ctx context.Context, log *slog.Logger) error { return newWatcher(log).run(ctx, memoryEvery) }

func newWatcher(log *slog.Logger) *watcher {
	return &watcher{read: readMemory, free: giveBack, log: log}
}

// giveBack collects twice: what lies in a pool (the broker's buffers) survives once.
func giveBack() {
	runtime.GC()
	debug.FreeOSMemory()
}

// run looks until the context ends.
func (m *watcher) run(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	m.last = m.read()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			m.look()
		}
	}
}

// look gives back what is worth it, when the server is not busy.
func (m *watcher) look() {
	use := m.read()
	last := m.last
	m.last = use
	busy := float64(use.allocated-last.allocated) > memoryQuiet*use.at.Sub(last.at).Seconds()
	m.rest = min(m.rest, use.held)
	// What was in use when the runtime looked last may be garbage by now, so that growth
	// is looked into, too.
	worth := use.held > use.live+memoryWorth || use.held > m.rest+memoryWorth || m.again && use.held > 2*memoryWorth
	if busy || !worth || use.at.Sub(m.freed) < memoryRest {
		return
	}
	m.free()
	now := m.read()
	m.freed = now.at
	m.rest = now.held
	m.again = use.held > now.held+memoryWorth/2
	m.log.Debug("memory was given back to the system", "held_before", use.held, "held", now.held, "live", now.live)
}

// readMemory asks the runtime.
func readMemory() memoryUse {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(samples)
	value := func(i int) uint64 { return samples[i].Value.Uint64() }
	return memoryUse{at: time.Now(), held: value(0) - value(1), live: value(2), allocated: value(3)}
}
