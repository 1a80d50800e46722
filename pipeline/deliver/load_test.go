package deliver

import (
	"sync"
	"testing"
	"time"
)

// Each destination counts in the state of its breaker; silence without work says nothing.
func TestLoadTellsBreakers(t *testing.T) {
	var wg sync.WaitGroup
	now := time.Now()
	var got Load
	for _, x := range []struct {
		trying int
		silent bool
		heard  time.Duration
	}{
		{1, false, 0},              // answers
		{0, false, time.Hour},      // idle
		{1, false, 2 * quietAfter}, // begins to be quiet
		{1, false, 2 * stallAfter}, // hangs
		{0, true, time.Hour},       // hung when it was last tried
	} {
		q := testQueue(&wg)
		q.breaker = breaker{trying: x.trying, silent: x.silent, heard: now.Add(-x.heard)}
		q.load(&got, now)
	}
	if want := (Load{Sending: 3, Closed: 2, Degraded: 1, Open: 2}); got != want {
		t.Errorf("load %+v, want %+v", got, want)
	}
}
