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

// A child that is started again counts from 0; what those before have counted stays.
func TestStrangersOfAllChildren(t *testing.T) {
	s := &Supervisor{}
	for _, count := range []uint64{3, 5} {
		s.born(1)
		for n := range count + 1 {
			s.hear(report{State: stateBeat, Strangers: &Strangers{Cut: n, Refused: 2 * n, WrongPasswords: 3 * n}})
		}
		s.hear(report{State: stateBeat}) // says nothing
	}
	if got, want := s.Strangers(), (Strangers{Cut: 8, Refused: 16, WrongPasswords: 24}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}
