package jetstream

import (
	"testing"
	"time"
)

// A message that is here, waiting or with its handler, is known to be: another copy of
// it would be handled beside it. One that went back to the broker is not.
func TestGateKnowsWhatItHolds(t *testing.T) {
	g := newGate(8, func(*inHand) {})
	in := func(seq uint64) *inHand { return &inHand{delivery: &delivery{key: "k", sequence: seq}} }
	for _, seq := range []uint64{1, 2} {
		if g.holds("k", seq) {
			t.Errorf("%d is held before it came", seq)
		}
		g.arrive(in(seq), time.Time{})
		if !g.holds("k", seq) {
			t.Errorf("%d is not held", seq)
		}
	}
	if g.holds("other", 1) {
		t.Error("another key holds it")
	}
	g.returned("k", 1, time.Now().Add(time.Minute))
	if g.holds("k", 1) {
		t.Error("what the broker has is held")
	}
	g.arrive(in(1), time.Time{})
	g.release("k", 1)
	g.release("k", 2)
	if g.holds("k", 1) || g.holds("k", 2) || len(g.keys) != 0 {
		t.Error("what was released is held")
	}
}
