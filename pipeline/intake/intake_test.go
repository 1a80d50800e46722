package intake_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/internal/polltest"
	"chatbell/pipeline/intake"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// counts is an observer.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) Event(status string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[status] += n
}

func (c *counts) OverLimit(limit string) { c.Event(limit, 1) }

func (c *counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.of)
}

const worker = "worker"

// start opens a broker with the pipeline's two streams of these sizes, and its intake.
func start(t *testing.T, limit uint64, events, results int64) (*intake.Intake, *jetstream.Broker, *counts) {
	t.Helper()
	return startWith(t, intake.Config{Limit: limit}, events, results)
}

func startWith(t *testing.T, cfg intake.Config, events, results int64) (*intake.Intake, *jetstream.Broker, *counts) {
	t.Helper()
	broker, err := jetstream.Open(t.Context(), jetstream.Config{
		Dir: t.TempDir(),
		Streams: []jetstream.Stream{
			{Name: work.StreamEvents, MaxBytes: events},
			{Name: work.StreamResults, MaxBytes: results},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	seen := &counts{of: map[string]int{}}
	cfg.Broker = broker
	cfg.Consumers = []string{worker}
	cfg.Observer = seen
	in, err := intake.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return in, broker, seen
}

func event(t *testing.T, network, id string) intake.Request {
	t.Helper()
	r, err := intake.Event(&chatbell.Envelope{
		Network: chatbell.NetworkID(network),
		Event:   chatbell.Event{ID: chatbell.EventID(id), Channel: chatbell.ChannelRef{ID: "general"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// refused checks that an error says why nothing was taken, and when to come again.
func refused(t *testing.T, err error, want intake.Cause) {
	t.Helper()
	var e *intake.Error
	if !errors.As(err, &e) || e.Cause != want || e.RetryAfter <= 0 || e.Err == nil {
		t.Errorf("refused with %v, want the cause %d and when to come again", err, want)
	}
}

// A request is known by network, kind and id; what comes again is a duplicate, whatever
// stands beside it.
func TestAcceptedOnce(t *testing.T) {
	in, broker, seen := start(t, 0, 1<<20, 1<<20)
	push := intake.Request{Kind: "push", Network: "acme", ID: "1", Key: "k", Payload: []byte("a push")}
	first := []intake.Request{event(t, "acme", "1"), event(t, "globex", "1"), push}
	got, err := in.Accept(t.Context(), first)
	if err != nil || !slices.Equal(got, []intake.Status{intake.Accepted, intake.Accepted, intake.Accepted}) {
		t.Fatalf("at first: %v, %v", got, err)
	}
	got, err = in.Accept(t.Context(), append(first, event(t, "acme", "2")))
	if err != nil || !slices.Equal(got, []intake.Status{intake.Duplicate, intake.Duplicate, intake.Duplicate, intake.Accepted}) {
		t.Fatalf("again: %v, %v", got, err)
	}
	if in.Sequence() != 4 || seen.String() != "map[accepted:4 duplicate:3]" {
		t.Errorf("the newest is %d, counted are %v", in.Sequence(), seen)
	}
	if err := in.Ready(t.Context()); err != nil {
		t.Errorf("it is not ready: %v", err)
	}
	reopened, err := intake.New(t.Context(), intake.Config{Broker: broker, Consumers: []string{worker}, Observer: seen})
	if err != nil || reopened.Sequence() != 4 {
		t.Errorf("the next process begins at %d, %v", reopened.Sequence(), err)
	}
}

// The stages read of a request what the surface said: its kind, key and payload.
func TestKindsTravel(t *testing.T) {
	in, broker, _ := start(t, 0, 1<<20, 1<<20)
	push := intake.Request{Kind: "push", Network: "acme", ID: "p", Key: "a key", Payload: []byte("a push")}
	if _, err := in.Accept(t.Context(), []intake.Request{event(t, "acme", "e"), push}); err != nil {
		t.Fatal(err)
	}
	from, err := broker.Subscriber(jetstream.SubscriberConfig{Durable: worker, InFlight: 8, Key: work.Key, CloseTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	messages, err := from.Subscribe(t.Context(), work.StreamEvents+".>")
	if err != nil {
		t.Fatal(err)
	}
	got := map[work.Kind]string{}
	for range 2 {
		m := polltest.Receive(t, "both", messages)
		item := jetstream.BatchOf(m).Items()[0]
		got[work.KindOf(item)] = work.Key(item)
		if work.KindOf(item) == "push" && string(m.Payload) != "a push" {
			t.Errorf("the push is %q", m.Payload)
		}
		m.Ack()
	}
	if want := (map[work.Kind]string{"event": "acme\x00general", "push": "a key"}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the stage reads %q, want %q", got, want)
	}
}

// What does not fit is refused as a whole, and nothing of it is stored.
func TestTooMuchWaits(t *testing.T) {
	in, broker, seen := start(t, 3, 1<<20, 1<<20)
	if _, err := in.Accept(t.Context(), []intake.Request{event(t, "acme", "1"), event(t, "acme", "2")}); err != nil {
		t.Fatal(err)
	}
	_, err := in.Accept(t.Context(), []intake.Request{event(t, "acme", "3"), event(t, "acme", "4")})
	refused(t, err, intake.Overloaded)
	if _, err := in.Accept(t.Context(), []intake.Request{event(t, "acme", "5")}); err != nil {
		t.Errorf("one that fits: %v", err)
	}
	refused(t, in.Ready(t.Context()), intake.Overloaded)
	if last, err := broker.LastSequence(t.Context(), work.StreamEvents); last != 3 || err != nil {
		t.Errorf("%d are stored, %v", last, err)
	}
	if seen.String() != "map[accepted:3 refused:2]" {
		t.Errorf("counted are %v", seen)
	}
}

// A stream at its limit, and results that ClickHouse does not take, are overload, too.
func TestStreamsAreFull(t *testing.T) {
	in, _, _ := start(t, 0, 4<<10, 1<<20)
	big := intake.Request{Kind: "push", Network: "acme", Key: "k", Payload: make([]byte, 3<<10)}
	for _, id := range []string{"1", "2"} {
		big.ID = id
		got, err := in.Accept(t.Context(), []intake.Request{big})
		if id == "1" && err != nil {
			t.Fatalf("the first: %v, %v", got, err)
		}
		if id == "2" {
			refused(t, err, intake.Overloaded)
		}
	}

	in, broker, _ := start(t, 0, 1<<20, 4<<10)
	var err error
	if full, err := in.Full(t.Context()); full || err != nil {
		t.Errorf("empty results are full: %t, %v", full, err)
	}
	rows := message.NewMessage("rows", make([]byte, 3500))
	if err := broker.Publisher().Publish(work.StreamResults, rows); err != nil {
		t.Fatal(err)
	}
	id := 0
	polltest.Until(t, "the results are full", func() bool { // the broker tells it some moments later
		id++
		_, err = in.Accept(t.Context(), []intake.Request{event(t, "acme", strconv.Itoa(id))})
		return err != nil
	})
	refused(t, err, intake.Overloaded)
}

// disk is one whose room a test says.
type disk struct {
	low  error
	last bool
}

func (d *disk) Low() error { return d.low }
func (d *disk) Last() bool { return d.last }

// A disk with little room takes nothing new; one with none lets nothing be sent.
func TestDisk(t *testing.T) {
	guard := &disk{}
	in, broker, seen := startWith(t, intake.Config{Disk: guard}, 1<<20, 1<<20)
	guard.low = errors.New("the disk has 3 bytes free")
	_, err := in.Accept(t.Context(), []intake.Request{event(t, "acme", "1")})
	refused(t, err, intake.DiskFull)
	refused(t, in.Ready(t.Context()), intake.DiskFull)
	if full, err := in.Full(t.Context()); full || err != nil {
		t.Errorf("what is in hand cannot be recorded: %v", err)
	}
	guard.last = true
	if full, err := in.Full(t.Context()); !full || err != nil {
		t.Errorf("on a full disk results could be recorded: %v", err)
	}
	*guard = disk{}
	if _, err := in.Accept(t.Context(), []intake.Request{event(t, "acme", "1")}); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
	if last, err := broker.LastSequence(t.Context(), work.StreamEvents); last != 1 || err != nil || seen.String() != "map[accepted:1 refused:1]" {
		t.Errorf("%d are stored, %v; counted are %v", last, err, seen)
	}
}

// A broker that is away is nobody's overload. The next call is told so at once, and
// whoever asks before sending, too.
func TestBrokerAway(t *testing.T) {
	in, broker, seen := start(t, 0, 1<<20, 1<<20)
	if err := broker.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := in.Accept(t.Context(), []intake.Request{event(t, "acme", "1")})
	refused(t, err, intake.Unavailable)
	refused(t, in.Ready(t.Context()), intake.Unavailable)
	if seen.String() != "map[failed:1]" {
		t.Errorf("counted are %v", seen)
	}
}

// After a call that the broker did not take nobody is sent here, until one is taken.
func TestLastCallFailed(t *testing.T) {
	in, _, _ := start(t, 0, 256<<20, 1<<20)
	tooLarge := intake.Request{Kind: "push", Network: "acme", ID: "1", Key: "k", Payload: make([]byte, 64<<20)}
	_, err := in.Accept(t.Context(), []intake.Request{tooLarge})
	refused(t, err, intake.Unavailable)
	refused(t, in.Ready(t.Context()), intake.Unavailable)
	if _, err := in.Accept(t.Context(), []intake.Request{event(t, "acme", "2")}); err != nil {
		t.Errorf("the next: %v", err)
	}
	if err := in.Ready(t.Context()); err != nil {
		t.Errorf("after one that was taken it is not ready: %v", err)
	}
}

// A caller who left is no failure of ours: the next is not refused for it.
func TestCallerLeft(t *testing.T) {
	in, _, _ := start(t, 0, 1<<20, 1<<20)
	left, leave := context.WithCancel(t.Context())
	leave()
	if _, err := in.Accept(left, []intake.Request{event(t, "acme", "1")}); !errors.Is(err, context.Canceled) {
		t.Errorf("who left is told %v", err)
	}
	if err := in.Ready(t.Context()); err != nil {
		t.Errorf("afterwards it is not ready: %v", err)
	}
}

func TestClosed(t *testing.T) {
	in, broker, _ := start(t, 0, 1<<20, 1<<20)
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := in.Accept(t.Context(), []intake.Request{event(t, "acme", "1")})
	refused(t, err, intake.Stopping)
	refused(t, in.Ready(t.Context()), intake.Stopping)
	if last, err := broker.LastSequence(t.Context(), work.StreamEvents); last != 0 || err != nil {
		t.Errorf("%d are stored, %v", last, err)
	}
}

// A network that has as much of the backlog as one may have is refused; another one is
// not, and it itself no more when its events were handed out.
func TestShareOfTheBacklog(t *testing.T) {
	in, broker, seen := start(t, 100, 1<<20, 1<<20)
	id := 0
	burst := func(network string) (taken int, err error) {
		for taken = 0; ; taken++ {
			id++
			if _, err = in.Accept(t.Context(), []intake.Request{event(t, network, strconv.Itoa(id))}); err != nil {
				return taken, err
			}
		}
	}
	taken, err := burst("acme")
	refused(t, err, intake.OverLimit)
	if taken < 75 || taken > 85 {
		t.Errorf("one network may have %d of 100", taken)
	}
	second, err := burst("globex")
	refused(t, err, intake.OverLimit)
	if second < 10 || taken+second > 98 {
		t.Errorf("beside %d the next may have %d", taken, second)
	}
	if _, err := in.Accept(t.Context(), []intake.Request{event(t, "initech", "1")}); err != nil {
		t.Errorf("a third network: %v", err)
	}
	if err := in.Ready(t.Context()); err != nil {
		t.Errorf("because of others' bursts it is not ready: %v", err)
	}
	if got := seen.String(); !strings.Contains(got, "backlog:2") {
		t.Errorf("counted are %s", got)
	}
	workOff(t, broker, taken+second+1)
	polltest.Until(t, "nothing waits", func() bool {
		backlog, err := broker.Backlog(t.Context(), work.StreamEvents, worker)
		return err == nil && backlog.LastSeq > 0 && backlog.Pending+backlog.InFlight == 0 // and not what it was at first
	})
	if again, err := burst("acme"); again < 75 {
		t.Errorf("when all is done the first network may have %d: %v", again, err)
	}
}

// workOff hands out and acknowledges so many requests.
func workOff(t *testing.T, broker *jetstream.Broker, n int) {
	t.Helper()
	from, err := broker.Subscriber(jetstream.SubscriberConfig{Durable: worker, InFlight: 8, CloseTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	messages, err := from.Subscribe(t.Context(), work.StreamEvents+".>")
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		polltest.Receive(t, "a request", messages).Ack()
	}
}

// A network that has as much of the stream as one may have is refused until that was
// purged, and another one is not.
func TestShareOfTheStream(t *testing.T) {
	in, broker, _ := start(t, 0, 100<<10, 1<<20)
	id := 0
	burst := func(network string) (taken int, err error) {
		for taken = 0; ; taken++ {
			id++
			big := intake.Request{Kind: "push", Network: chatbell.NetworkID(network), ID: strconv.Itoa(id), Key: "k", Payload: make([]byte, 4<<10)}
			if _, err = in.Accept(t.Context(), []intake.Request{big}); err != nil {
				return taken, err
			}
		}
	}
	taken, err := burst("acme")
	refused(t, err, intake.OverLimit)
	if taken < 15 || taken > 20 {
		t.Errorf("one network may have %d of 4 KiB in 100 KiB", taken)
	}
	if second, err := burst("globex"); second == 0 {
		t.Errorf("there is no room for another network: %v", err)
	}
	if err := broker.Purge(t.Context(), work.StreamEvents, uint64(taken)+1); err != nil {
		t.Fatal(err)
	}
	polltest.Until(t, "the first network is let in again", func() bool {
		taken, _ := burst("acme")
		return taken > 5
	})
}

// A rate limit refuses what comes too fast, says when to come again, and is one network's.
func TestQuota(t *testing.T) {
	quotas := map[chatbell.NetworkID]intake.Quota{"events": {EventsPerSecond: 3}, "bytes": {BytesPerSecond: 1000}}
	in, _, seen := startWith(t, intake.Config{Quotas: func(n chatbell.NetworkID) intake.Quota { return quotas[n] }}, 1<<20, 1<<20)
	three := []intake.Request{event(t, "events", "1"), event(t, "events", "2"), event(t, "events", "3")}
	if _, err := in.Accept(t.Context(), three); err != nil {
		t.Fatal(err)
	}
	_, err := in.Accept(t.Context(), three)
	refused(t, err, intake.OverLimit)
	var e *intake.Error
	if !errors.As(err, &e) || e.RetryAfter > time.Second || !strings.Contains(e.Detail, "3 events a second") {
		t.Errorf("the refusal is %+v", e)
	}
	big := intake.Request{Kind: "push", Network: "bytes", ID: "1", Key: "k", Payload: make([]byte, 5000)}
	if _, err := in.Accept(t.Context(), []intake.Request{big}); err != nil {
		t.Errorf("a request larger than a second's worth never passes: %v", err)
	}
	big.ID = "2"
	_, err = in.Accept(t.Context(), []intake.Request{big})
	refused(t, err, intake.OverLimit)
	if _, err := in.Accept(t.Context(), []intake.Request{event(t, "other", "1")}); err != nil {
		t.Errorf("another network: %v", err)
	}
	if got := seen.String(); !strings.Contains(got, "events_per_second:1") || !strings.Contains(got, "bytes_per_second:1") {
		t.Errorf("counted are %s", got)
	}
	polltest.Until(t, "the network is let in again", func() bool {
		_, err := in.Accept(t.Context(), three)
		return err == nil
	})
}
