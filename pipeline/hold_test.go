package pipeline_test

import (
	"testing"

	"chatbell/internal/polltest"
)

// Nothing is sent while there is no room to write down what came of it; then all of it
// is, in order.
func TestHeldWithoutRoom(t *testing.T) {
	s := start(t, nil)
	s.device("b", "tb", "")
	s.full.Store(true)
	s.phone.answer = func(string) error {
		if s.full.Load() {
			t.Error("sent while there was no room")
		}
		return nil
	}
	s.post(created("1", "a", "a", "b"), text("2", "a", "one"), text("3", "a", "two"))
	polltest.Until(t, "sending pauses, and looks again", func() bool { return s.paused() && s.asked.Load() >= 3 })
	s.full.Store(false)
	s.wait(6)
	sent := s.phone.all()
	if len(sent) != 3 || sent[1].Body != "one" || sent[2].Body != "two" {
		t.Errorf("sent %v, want three in order", sent)
	}
	if s.paused() {
		t.Error("it says that it is paused still")
	}
}
