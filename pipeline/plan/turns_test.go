package plan

import (
	"context"
	"fmt"
	"testing"

	"chatbell"
	"chatbell/internal/polltest"
)

// waiters queues for a place, one after another, and tells whose turn it is.
func waiters(t *testing.T, places *turns, networks ...chatbell.NetworkID) <-chan chatbell.NetworkID {
	t.Helper()
	got := make(chan chatbell.NetworkID, len(networks))
	for i, network := range networks {
		go func() {
			if err := places.take(context.Background(), network); err == nil {
				got <- network
			}
		}()
		polltest.Until(t, "it waits", func() bool { return places.waiting() == i+1 })
	}
	return got
}

func (t *turns) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, queue := range t.queues {
		n += len(queue)
	}
	return n
}

// Networks take turns: one with many requests delays itself, and nobody else by more than
// one turn of each.
func TestNetworksTakeTurns(t *testing.T) {
	places := newTurns(1)
	if err := places.take(t.Context(), "busy"); err != nil {
		t.Fatal(err)
	}
	got := waiters(t, places, "busy", "busy", "busy", "calm", "other", "calm")
	var order []chatbell.NetworkID
	for range 6 {
		places.give()
		order = append(order, polltest.Receive(t, "a turn", got))
	}
	want := []chatbell.NetworkID{"busy", "calm", "other", "busy", "calm", "busy"}
	if fmt.Sprint(order) != fmt.Sprint(want) {
		t.Errorf("turns %v, want %v", order, want)
	}
	places.give()
	if places.free != 1 || len(places.queues) != 0 || len(places.order) != 0 {
		t.Errorf("left over: %+v", places)
	}
}

// Who gives up waiting loses no place, also where its turn has come just then.
func TestGivingUpATurn(t *testing.T) {
	places := newTurns(1)
	if err := places.take(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- places.take(ctx, "b") }()
	polltest.Until(t, "it waits", func() bool { return places.waiting() == 1 })
	cancel()
	if err := polltest.Receive(t, "an end", ended); err == nil {
		t.Error("it has a place although nobody gave one")
	}
	if places.waiting() != 0 || len(places.order) != 0 {
		t.Errorf("it still waits: %+v", places)
	}
	for range 200 { // both are there when it looks: it takes either
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- places.take(ctx, "b") }()
		polltest.Until(t, "it waits", func() bool { return places.waiting() == 1 })
		cancel()
		places.give()
		if err := polltest.Receive(t, "an end", ended); err == nil {
			places.give()
		}
		soon, stop := context.WithTimeout(t.Context(), polltest.Patience)
		if err := places.take(soon, "a"); err != nil {
			t.Fatal("the place is lost")
		}
		stop()
	}
}
