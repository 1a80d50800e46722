package schedule_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"chatbell/internal/polltest"
	"chatbell/internal/store"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline/intake"
	"chatbell/pipeline/schedule"
)

// door keeps what is handed over, and refuses what is asked of it.
type door struct {
	mu     sync.Mutex
	taken  []string
	refuse map[string]int // how often, by id; -1 for ever
	unsure bool
}

func (d *door) Accept(_ context.Context, requests []intake.Request) ([]intake.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := requests[0].ID
	if d.refuse[id] != 0 {
		d.refuse[id]--
		return nil, &intake.Error{Cause: intake.Overloaded, RetryAfter: time.Second, Err: errors.New("full")}
	}
	d.taken = append(d.taken, string(requests[0].Kind)+" "+string(requests[0].Network)+" "+id+" "+requests[0].Key+" "+string(requests[0].Payload))
	if d.unsure {
		d.unsure = false
		return []intake.Status{intake.Unknown}, nil
	}
	return []intake.Status{intake.Accepted}, nil
}

func (d *door) has() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.taken)
}

// clock is what the schedule goes by.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	state, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// run runs a schedule until the test, or the function that it returns, ends it.
func run(t *testing.T, s *schedule.Schedule) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func request(id string, due time.Time) store.Scheduled {
	return store.Scheduled{Network: "acme", Kind: "push", ID: id, Key: "k", DueAt: due, Payload: []byte("p")}
}

// What is due is handed over once, in its order, whatever was put in which; what was
// cancelled never; and what the intake does not take holds up nobody.
func TestHandOver(t *testing.T) {
	state := open(t, filepath.Join(t.TempDir(), "db"))
	defer state.Close()
	to := &door{refuse: map[string]int{"refused": -1, "late": 1}}
	at := &clock{now: time.Unix(1_800_000_000, 0)}
	s := schedule.New(schedule.Config{Store: state, Intake: to, Log: slog.New(slog.DiscardHandler), Now: at.Now})
	put := func(id string, in time.Duration) {
		t.Helper()
		if err := s.Put(t.Context(), request(id, at.Now().Add(in))); err != nil {
			t.Fatal(err)
		}
	}
	put("refused", -time.Hour)
	put("late", -time.Minute)
	for i := range 40 { // more than a page
		put(string(rune('A'+i)), time.Duration(i-40)*time.Second)
	}
	put("tomorrow", 24*time.Hour)
	put("never", 24*time.Hour)
	stop := run(t, s)
	polltest.Until(t, "what is due", func() bool { return len(to.has()) == 40 })
	if got := to.has(); got[0] != "push acme A k p" || got[39] != "push acme h k p" {
		t.Errorf("handed over: %q", got)
	}
	if cancelled, err := s.Cancel(t.Context(), "acme", "push", "never"); err != nil || !cancelled {
		t.Errorf("cancel: %t, %v", cancelled, err)
	}
	at.pass(24 * time.Hour)
	put("now", 0) // wakes it
	polltest.Until(t, "tomorrow", func() bool { return len(to.has()) == 43 })
	for _, id := range []string{"late", "tomorrow", "now"} {
		if !slices.Contains(to.has(), "push acme "+id+" k p") {
			t.Errorf("%s was not handed over: %q", id, to.has())
		}
		if cancelled, err := s.Cancel(t.Context(), "acme", "push", id); err != nil || cancelled {
			t.Errorf("cancelling what was handed over: %t, %v", cancelled, err)
		}
	}
	stop()
	if cancelled, err := s.Cancel(t.Context(), "acme", "push", "refused"); err != nil || !cancelled {
		t.Errorf("cancelling what was not taken: %t, %v", cancelled, err)
	}
}

// What a process that died had claimed, or did not know the fate of, is handed over by the
// next: the intake knows its id.
func TestAfterCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	state := open(t, path)
	at := &clock{now: time.Unix(1_800_000_000, 0)}
	to := &door{}
	s := schedule.New(schedule.Config{Store: state, Intake: to, Log: slog.New(slog.DiscardHandler), Now: at.Now})
	if err := s.Put(t.Context(), request("claimed", at.Now())); err != nil {
		t.Fatal(err)
	}
	if got, err := state.ClaimScheduled(t.Context(), at.Now(), 10); err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if err := state.Close(); err != nil { // the process is gone
		t.Fatal(err)
	}
	state = open(t, path)
	defer state.Close()
	to.unsure = true
	s = schedule.New(schedule.Config{Store: state, Intake: to, Log: slog.New(slog.DiscardHandler), Now: at.Now})
	stop := run(t, s)
	defer stop()
	polltest.Until(t, "the first try", func() bool { return len(to.has()) == 1 })
	polltest.Until(t, "it is given back", func() bool {
		next, err := state.NextScheduled(t.Context())
		return err == nil && next.After(at.Now())
	})
	at.pass(time.Minute)
	if err := s.Put(t.Context(), request("another", at.Now())); err != nil {
		t.Fatal(err)
	}
	polltest.Until(t, "the second try", func() bool { return len(to.has()) == 3 })
}
