package engine

import "testing"

// Only what the first child says while Start waits for it ends the supervision.
func TestOnlyTheFirstMistakeIsFatal(t *testing.T) {
	t.Parallel()
	mistake := &mistakeError{"wrong"}
	s := &Supervisor{first: make(chan error, 1)}
	if !s.tellFirst(mistake) || <-s.first == nil {
		t.Error("the first child's mistake is not told")
	}
	s = &Supervisor{first: make(chan error, 1)}
	if s.tellFirst(nil) || <-s.first != nil {
		t.Error("a good configuration is told as a mistake")
	}
	if s.tellFirst(mistake) {
		t.Error("a mistake of a later child is fatal")
	}
	s = &Supervisor{first: make(chan error, 1)}
	s.first <- nil // Start has waited long enough
	if s.tellFirst(mistake) {
		t.Error("a mistake that nobody waits for is fatal")
	}
}
