package listen

import (
	"runtime/debug"
	"time"
)

const (
	// lookEvery is how often the limiter looks after what is idle.
	lookEvery = time.Second
	// Above three quarters of the bound an idle connection is closed sooner than by the
	// server's own time: the next request of who comes again costs a handshake, and who
	// only holds it has no use of it. Servers keep theirs: they wait for the next event.
	strangerQuiet = 5 * time.Second
	userQuiet     = 15 * time.Second
	// warnEvery bounds the log.
	warnEvery = time.Minute
	// After a flood of connections their stacks and buffers are given back to the
	// system, when it is over by half and was large enough to be worth the collection.
	floodSize  = 1000
	floodEvery = 30 * time.Second
)

// keeper is what the limiter's own goroutine remembers.
type keeper struct {
	limiter *Limiter
	warned  time.Time
	told    uint64 // how many closed connections the log knows of
	peak    int
	freed   time.Time
}

// keep runs until the limiter is closed.
func (l *Limiter) keep() {
	defer close(l.done)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	keep := &keeper{limiter: l}
	for {
		select {
		case <-l.stop:
			return
		case now := <-tick.C:
			keep.look(now)
		}
	}
}

func (k *keeper) look(now time.Time) {
	limiter := k.limiter
	limiter.shrink(now)
	stats := limiter.Stats()
	if lost := stats.Closed + stats.Refused; lost > k.told && now.Sub(k.warned) >= warnEvery {
		limiter.log.Warn("the connections are at their bound; idle and unknown callers' are closed for others (more are possible with a higher limit of open files)",
			"open", stats.Open, "bound", stats.Max, "closed", lost-k.told)
		k.warned = now
		k.told = lost
	}
	k.peak = max(k.peak, stats.Open)
	if k.peak-stats.Open >= floodSize && stats.Open <= k.peak/2 && now.Sub(k.freed) >= floodEvery {
		debug.FreeOSMemory()
		k.peak = stats.Open
		k.freed = now
	}
}

// shrink closes what is idle for too long, when there is little room.
func (l *Limiter) shrink(now time.Time) {
	l.mu.Lock()
	var out []*conn
	if l.open > l.max-l.max/4 {
		out = l.strangers.quiet(now.Add(-strangerQuiet))
		out = append(out, l.usersIdle.quiet(now.Add(-userQuiet))...)
		for _, link := range out {
			l.drop(link)
		}
	}
	l.mu.Unlock()
	for _, one := range out {
		_ = one.Conn.Close() // its server finds that out by reading
	}
}

// quiet lists the idle connections on which nothing has happened since a time.
func (t *table) quiet(since time.Time) []*conn {
	var out []*conn
	for _, peers := range t.groups {
		for element := peers.conns.Front(); element != nil; element = element.Next() {
			link := element.Value.(*conn) //nolint:forcetypeassert // the list holds nothing else
			if !link.since.Before(since) {
				break
			}
			if !link.busy {
				out = append(out, link)
			}
		}
	}
	return out
}
