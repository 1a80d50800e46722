package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"chatbell"
	"chatbell/internal/polltest"
	"chatbell/pipeline"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// neighbours are two channels of one partition.
func neighbours(t *testing.T) (one, other chatbell.ChannelID) {
	t.Helper()
	one = "one"
	for i := range 10_000 {
		other = chatbell.ChannelID(fmt.Sprint("other-", i))
		if work.Partition("acme\x00"+string(one)) == work.Partition("acme\x00"+string(other)) {
			return one, other
		}
	}
	t.Fatal("no two channels share a partition")
	return "", ""
}

func in(channel chatbell.ChannelID, e chatbell.Event) chatbell.Event {
	e.Channel = chatbell.ChannelRef{ID: channel, Name: "C"}
	return e
}

// failing is a store that refuses one event for some times.
type failing struct {
	pipeline.Store
	event   chatbell.EventID
	times   int32
	err     error
	refused atomic.Int32
}

func (f *failing) Apply(ctx context.Context, seq uint64, env *chatbell.Envelope) error {
	if env.Event.ID == f.event && f.refused.Add(1) <= f.times {
		if f.err == nil {
			panic("the event is poison")
		}
		return f.err
	}
	return f.Store.Apply(ctx, seq, env)
}

func (s *stage) told() []string {
	var out []string
	for _, p := range s.phone.all() {
		out = append(out, p.Body)
	}
	return out
}

// An event that cannot be planned at first comes again by itself: those behind it in its
// channel wait for it, and are told in order; another channel of the same partition, in the
// same micro-batch, is told meanwhile.
func TestFailingEventHoldsItsChannelOnly(t *testing.T) {
	one, other := neighbours(t)
	s := newStage(t)
	s.device("b", "tb", "")
	s.device("c", "tc", "")
	var store *failing
	s.full.Store(true) // all of it waits, and is one micro-batch then
	s.run(nil, func(c *pipeline.Config, s *stage) {
		store = &failing{Store: s.store, event: "bad", times: 2, err: errors.New("the store is away")}
		c.Store = store
	})
	s.post(in(one, created("1", "a", "b")), in(other, created("2", "a", "c")))
	s.full.Store(false)
	polltest.Until(t, "both channels are there", func() bool { return len(s.phone.all()) == 2 })
	s.full.Store(true)
	s.post(in(one, text("bad", "a", "one-1")), in(one, text("3", "a", "one-2")), in(other, text("4", "a", "other")), in(one, text("5", "a", "one-3")))
	s.full.Store(false)
	polltest.Until(t, "all are told", func() bool { return len(s.phone.all()) == 6 })
	got := s.told()[2:]
	if fmt.Sprint(got) != fmt.Sprint([]string{"other", "one-1", "one-2", "one-3"}) {
		t.Errorf("told %v: want the other channel first, and the failing one in order", got)
	}
	s.until("nothing is left to do", s.idle)
	if n := store.refused.Load(); n != 3 {
		t.Errorf("the event was planned %d times, want 3", n)
	}
}

// An event that is poison is given up by itself, and its channel goes on.
func TestPoisonedEventIsGivenUpAlone(t *testing.T) {
	one, other := neighbours(t)
	s := newStage(t)
	s.device("b", "tb", "")
	s.run(nil, func(c *pipeline.Config, s *stage) {
		c.Store = &failing{Store: s.store, event: "bad", times: 1000}
		c.Subscribe = s.subscribe(2)
	})
	s.post(in(one, created("1", "a", "b")), in(other, created("2", "a", "b")), in(one, text("bad", "a", "poison")), in(one, text("3", "a", "well")), in(other, text("4", "a", "other")))
	s.until("all but one are done", func() bool { return len(s.phone.all()) >= 4 && s.idle() })
	if slices.Contains(s.told(), "poison") {
		t.Error("the poison was told")
	}
	if dead, err := s.broker.LastSequence(t.Context(), jetstream.DeadLetters); err != nil || dead != 1 {
		t.Errorf("%d dead letters, %v, want one", dead, err)
	}
}

// A micro-batch shares its writes of results.
func TestBatchSharesItsWrite(t *testing.T) {
	const events = 100
	s := newStage(t)
	s.device("b", "tb", "")
	s.full.Store(true)
	s.run(nil, nil)
	s.post(created("1", "a", "b"))
	s.full.Store(false)
	s.until("the channel is there", s.idle)
	s.full.Store(true)
	before, err := s.broker.LastSequence(t.Context(), work.StreamResults)
	check(t, err)
	for i := range events {
		s.post(text(fmt.Sprint("m", i), "a", "hello"))
	}
	s.full.Store(false)
	s.until("nothing is left to do", s.idle)
	after, err := s.broker.LastSequence(t.Context(), work.StreamResults)
	check(t, err)
	// One event is in the first batch, which waited for room; the phone takes them one after
	// another, so that some of a batch may be settled before the rest.
	if written := after - before; written > events/4 {
		t.Errorf("%d messages of results for %d events", written, events)
	}
	if n := len(s.phone.all()); n != events+1 {
		t.Errorf("%d pushes, want %d", n, events+1)
	}
}

// A request whose phone is slow keeps its own place and no other: those of its micro-batch
// are acknowledged while it is under way.
func TestSlowTryDelaysNoNeighbour(t *testing.T) {
	one, other := neighbours(t)
	s := newStage(t)
	s.device("b", "quick", "")
	s.device("c", "slow", "")
	release := make(chan struct{})
	done := sync.OnceFunc(func() { close(release) })
	t.Cleanup(done)
	s.phone.answer = func(token string) error {
		if token == "slow" {
			<-release
		}
		return nil
	}
	s.full.Store(true)
	s.run(nil, nil)
	s.post(in(other, text("first", "a", "is a batch by itself")), in(one, created("1", "a", "c")), in(other, created("2", "a", "b")))
	s.full.Store(false)
	polltest.Until(t, "only the slow one is in hand", func() bool {
		backlog, err := s.broker.Backlog(t.Context(), work.StreamEvents, pipeline.Consumers()[0].Durables()...)
		check(t, err)
		if s.waits() {
			t.Fatal("the quick one waited until the slow one was given up to the backlog")
		}
		return backlog.Pending == 0 && backlog.InFlight == 1 && len(s.phone.all()) == 1
	})
	done()
	s.wait(2)
}

// What a micro-batch has sent is written down while the planning of the rest of it takes
// long: after a crash it is not sent again.
func TestSlowPlanningDelaysNoRows(t *testing.T) {
	one, other := neighbours(t)
	s := newStage(t)
	s.device("b", "tb", "")
	release := make(chan struct{})
	s.full.Store(true)
	s.run(nil, func(c *pipeline.Config, s *stage) {
		c.Store = &holding{Store: s.store, channel: one, release: release}
	})
	s.post(in(other, text("first", "a", "takes what waits")))
	s.full.Store(false)
	s.until("nothing is left to do", s.idle)
	s.full.Store(true)
	s.post(in(other, text("second", "a", "waits for room")), in(other, created("1", "a", "b")), in(one, created("2", "a", "b")))
	s.full.Store(false)
	s.until("the row of what was sent", func() bool { return len(s.results.Deliveries) == 1 })
	close(release)
	s.wait(2)
}

// reading is a store that does not let go of whoever reads a large channel's second page,
// and knows which event was applied last in it.
type reading struct {
	pipeline.Store
	channel chatbell.ChannelID
	reads   atomic.Int32
	release <-chan struct{}
	last    atomic.Value
}

func (r *reading) Apply(ctx context.Context, seq uint64, env *chatbell.Envelope) error {
	if env.Event.Channel.ID == r.channel {
		r.last.Store(env.Event.ID)
	}
	return r.Store.Apply(ctx, seq, env)
}

func (r *reading) Audience(ctx context.Context, q chatbell.AudienceQuery) ([]chatbell.Recipient, error) {
	if q.Channel == r.channel && r.reads.Add(1) > 1 {
		select {
		case <-r.release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return r.Store.Audience(ctx, q)
}

// A large request holds its own channel, and no other of its partition: what is behind it
// is told while its pages are planned. Its channel goes on behind it, in order.
func TestFanOutHoldsItsChannelOnly(t *testing.T) {
	const people = 1500
	one, other := neighbours(t)
	s := newStage(t)
	s.device("b", "tb", "")
	for i := range people {
		check(t, s.store.PutMember(t.Context(), "acme", one, chatbell.Member{User: chatbell.User{ID: chatbell.UserID(fmt.Sprintf("u%04d", i))}}))
	}
	for i := range 300 {
		s.device(fmt.Sprintf("u%04d", i), fmt.Sprint("tu", i), "") // all of them on the first page
	}
	release := make(chan struct{})
	store := &reading{Store: s.store, channel: one, release: release}
	s.run(nil, func(c *pipeline.Config, _ *stage) { c.Store = store })
	s.post(in(other, created("1", "a", "b")), in(one, text("large", "a", "large")), in(one, text("next", "a", "next")))
	for _, body := range []string{"other", "another"} { // what came before them was handed out before
		s.post(in(other, text(body, "a", body)))
		polltest.Until(t, "the other channel is told", func() bool { return slices.Contains(s.told(), body) })
	}
	if last := store.last.Load(); last != chatbell.EventID("large") {
		t.Errorf("%v was planned before the large message was", last)
	}
	close(release)
	s.until("nothing is left to do", func() bool { return len(s.results.Deliveries) >= 2*people && s.idle() })
	if n := len(s.phone.all()); n != 3+2*300 {
		t.Errorf("%d pushes, want %d", n, 3+2*300)
	}
}
