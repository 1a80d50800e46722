package deliver

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chatbell"
)

const (
	// hostQuorum is how many destinations of a host have to be silent at once before the
	// host is taken to be away: fewer may be two customers' own mistakes, and their own
	// breakers bound those.
	hostQuorum = 3
	// hostProbes is how many probes a host that is away gets at once, whoever's they are.
	hostProbes = 4
	// hostKnown is how many of them may be of destinations that were found silent
	// themselves: credentials that hang for reasons of their own must not hold all the
	// probes, and so hide that the host answers everybody else.
	hostKnown = hostProbes - 1
	// hostPace is the time between the beginnings of two probes: sixty a minute cost
	// nothing, and an outage is over for all within a second or two of its end.
	hostPace = time.Second
	// freshPace is the time between two that need not wait for that: a destination of which
	// nothing is known may be all right, and is not to be held up.
	freshPace = hostPace / 4
)

// host is the circuit breaker of one push service: the health of the destinations that
// speak to the same server, grouped. It opens when several of them are silent at once and
// none has answered since; then all of them wait, and take turns with a few probes, so that
// an outage costs as much for ten thousand networks as for three. The first success of any
// closes it, and each destination proves itself.
//
// A nil host groups nothing. Safe for concurrent use; a queue's lock may be held.
type host struct {
	name   string
	target chatbell.TargetKind
	log    *slog.Logger

	heard     atomic.Int64 // when it last answered anybody, Unix nanoseconds
	suspected atomic.Bool  // some destination is silent, or the host is away
	away      atomic.Bool
	returned  atomic.Uint64 // how often it has come back

	mu      sync.Mutex
	silent  map[*queue]struct{} // that were found silent since it last answered
	since   time.Time           // when the breaker opened
	known   rotation            // who waits for a probe, and was silent when last asked
	fresh   rotation            // the others who wait
	turn    *queue              // who may begin the next probe
	kind    probe               // of the turn
	probing [probeKinds]int     // probes under way
	timer   *time.Timer
	freshAt time.Time // when a turn was last given at once
}

// probe is how a try counts against what a host that is away may get.
type probe int

const (
	noProbe probe = iota
	// knownProbe is one of a destination that was found silent itself.
	knownProbe
	// freshProbe is one of a destination of which nothing is known.
	freshProbe
	probeKinds
)

// isAway reports whether the breaker is open.
func (h *host) isAway() bool { return h != nil && h.away.Load() }

// answered takes a success of any of the destinations: it closes the breaker.
func (h *host) answered(now time.Time) {
	if h == nil {
		return
	}
	h.heard.Store(now.UnixNano())
	if !h.suspected.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.silent)
	h.suspected.Store(false)
	if !h.away.Load() {
		return
	}
	h.returned.Add(1)
	h.away.Store(false)
	h.turn = nil
	waiting := append(h.fresh.takeAll(), h.known.takeAll()...)
	h.log.Info("push service answers again; what waits is sent", "provider", h.target, "host", h.name, "destinations", len(waiting), "away", now.Sub(h.since).Round(time.Second))
	for _, q := range waiting {
		q.ring()
	}
}

// foundSilent takes word that a destination is away, by what its tries say now.
func (h *host) foundSilent(q *queue, now time.Time) {
	if h == nil || h.away.Load() || h.answersOthers(now) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent[q] = struct{}{}
	h.suspected.Store(true) // before looking again: whoever hears from it then looks here
	if h.away.Load() || len(h.silent) < hostQuorum || h.answersOthers(now) {
		return
	}
	h.away.Store(true)
	h.since = now
	h.log.Warn("push service does not answer: what goes there waits until a probe is answered; see its status page, and the way there from this machine",
		"provider", h.target, "host", h.name, "silent", len(h.silent))
}

// answersOthers reports whether the host has answered anybody a moment ago.
func (h *host) answersOthers(now time.Time) bool {
	return now.UnixNano()-h.heard.Load() <= int64(stallAfter)
}

// await lists a destination for a turn with the probes, instead of a timer of its own, or
// reports false where the host is not away.
func (h *host) await(q *queue, fresh bool) bool {
	if !h.isAway() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.away.Load() {
		return false
	}
	switch {
	case h.fresh.has(q), h.known.has(q):
	case fresh:
		h.fresh.add(q)
	default:
		h.known.add(q)
	}
	if h.timer == nil {
		h.timer = time.AfterFunc(hostPace, h.pass)
	}
	now := time.Now()
	if fresh && h.turn == nil && h.room() > 0 && now.Sub(h.freshAt) >= freshPace {
		h.freshAt = now
		h.turn = q
		h.kind = freshProbe
		q.ring()
	}
	return true
}

// room is how many more probes may be under way. The lock is held.
func (h *host) room() int { return hostProbes - h.probing[knownProbe] - h.probing[freshProbe] }

// pass gives the turn to the next destination that waits, where there is room for a probe.
func (h *host) pass() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer.Stop() // of a look before its time
	h.timer = nil
	if !h.away.Load() {
		return
	}
	// A turn that was not taken is lost: there was nothing to try after all.
	h.turn = nil
	switch {
	case h.room() > 0 && h.fresh.len() > 0:
		h.turn = h.fresh.take()
		h.kind = freshProbe
	case h.room() > 0 && h.probing[knownProbe] < hostKnown && h.known.len() > 0:
		h.turn = h.known.take()
		h.kind = knownProbe
	}
	if h.fresh.len()+h.known.len() > 0 {
		h.timer = time.AfterFunc(hostPace, h.pass)
	}
	if h.turn != nil {
		h.turn.ring()
	}
}

// hasTurn reports whether it is a destination's turn to begin a probe.
func (h *host) hasTurn(q *queue) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.turn == q
}

// take uses a destination's turn, if it is its turn.
func (h *host) take(q *queue) probe {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.turn != q {
		return noProbe
	}
	h.turn = nil
	h.probing[h.kind]++
	return h.kind
}

// probed counts the end of a probe.
func (h *host) probed(kind probe) {
	if kind == noProbe {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.probing[kind]--
}

// rotation is who waits for a turn, each once, in the order in which they came.
type rotation struct {
	order []*queue
	here  map[*queue]struct{}
}

func (r *rotation) len() int { return len(r.order) }

func (r *rotation) has(q *queue) bool {
	_, ok := r.here[q]
	return ok
}

func (r *rotation) add(q *queue) {
	if r.here == nil {
		r.here = map[*queue]struct{}{}
	}
	r.here[q] = struct{}{}
	r.order = append(r.order, q)
}

func (r *rotation) take() *queue {
	first := r.order[0]
	r.order = r.order[1:]
	delete(r.here, first)
	return first
}

func (r *rotation) takeAll() []*queue {
	all := r.order
	*r = rotation{}
	return all
}
