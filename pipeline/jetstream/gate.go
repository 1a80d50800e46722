package jetstream

import (
	"slices"
	"sync"
	"time"
)

// gate lets messages of one key pass one after another, in the order of the stream.
// For each key it knows the sequences that have arrived and were not released; only
// the smallest may pass. What may not is parked. While the smallest is away for a
// second try, a key may park only so many, and the rest goes back to the broker and
// comes again later, so that the memory here is for the other keys; either keeps its
// place. (At the broker what went back still counts as in flight: a failing key with
// more than InFlight messages holds up others until its first is done or dead.)
type gate struct {
	maxParked int
	emit      func(*inHand) // must not block

	mu   sync.Mutex
	keys map[string]*lane
}

// lane is one key's queue, ordered by sequence.
type lane struct {
	waiting []*place
	parked  int
}

type place struct {
	seq uint64
	msg *inHand // nil while the broker has it
	// passed is set while a handler has the message.
	passed bool
	// until is when a message that the broker has is given up: it was deleted, or
	// another process has it.
	until time.Time
}

func newGate(maxParked int, emit func(*inHand)) *gate {
	return &gate{maxParked: maxParked, emit: emit, keys: map[string]*lane{}}
}

// arrive takes a message from the broker. It reports false where the message must
// be handed back because too many of its key wait for one that is away.
func (g *gate) arrive(held *inHand, comesAgain time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := held.delivery.key
	seq := held.delivery.sequence
	line := g.keys[key]
	if line == nil {
		line = &lane{}
		g.keys[key] = line
	}
	i, found := slices.BinarySearchFunc(line.waiting, seq, func(p *place, s uint64) int {
		switch {
		case p.seq < s:
			return -1
		case p.seq > s:
			return 1
		}
		return 0
	})
	if !found {
		line.waiting = slices.Insert(line.waiting, i, &place{seq: seq})
	}
	p := line.waiting[i]
	if i > 0 && line.waiting[0].msg == nil && line.parked >= g.maxParked {
		p.until = comesAgain
		return false
	}
	p.msg = held
	p.until = time.Time{}
	p.passed = false
	line.parked++
	g.advance(line)
	return true
}

// holds reports whether a message is here already: the broker hands it out again where
// this process stood still for longer than it waits.
func (g *gate) holds(key string, seq uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	line := g.keys[key]
	return line != nil && slices.ContainsFunc(line.waiting, func(p *place) bool { return p.seq == seq && p.msg != nil })
}

// advance lets the first of the lane pass, if it is here. The lock is held.
func (g *gate) advance(line *lane) {
	if len(line.waiting) == 0 || line.waiting[0].msg == nil || line.waiting[0].passed {
		return
	}
	p := line.waiting[0]
	p.passed = true
	line.parked--
	g.emit(p.msg)
}

// release takes a message out of its lane: it is on its way, finished, or dead.
func (g *gate) release(key string, seq uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	line := g.keys[key]
	if line == nil {
		return
	}
	for i, p := range line.waiting {
		if p.seq == seq {
			if p.msg != nil && !p.passed {
				line.parked--
			}
			line.waiting = slices.Delete(line.waiting, i, i+1)
			break
		}
	}
	g.settle(key, line)
}

// returned notes that a message went back to the broker and will come again.
func (g *gate) returned(key string, seq uint64, comesAgain time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	line := g.keys[key]
	if line == nil {
		return
	}
	for _, p := range line.waiting {
		if p.seq == seq {
			p.msg = nil
			p.passed = false
			p.until = comesAgain
		}
	}
}

// expire gives up messages that should have come again and did not.
func (g *gate) expire(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, line := range g.keys {
		line.waiting = slices.DeleteFunc(line.waiting, func(p *place) bool {
			return p.msg == nil && now.After(p.until)
		})
		g.settle(key, line)
	}
}

// settle lets the next one pass, or forgets the lane. The lock is held.
func (g *gate) settle(key string, l *lane) {
	if len(l.waiting) == 0 {
		delete(g.keys, key)
		return
	}
	g.advance(l)
}
