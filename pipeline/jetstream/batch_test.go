package jetstream_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/internal/polltest"
	"chatbell/pipeline/jetstream"
)

// batches subscribes in micro-batches.
func batches(t *testing.T, b *jetstream.Broker, topic string, limit jetstream.Limits, change ...func(*jetstream.SubscriberConfig)) (<-chan *message.Message, *jetstream.Subscriber) {
	t.Helper()
	return subscribe(t, b, topic, append([]func(*jetstream.SubscriberConfig){func(c *jetstream.SubscriberConfig) {
		c.Batch = limit
		c.Parked = 1000
	}}, change...)...)
}

// numbered are events of one key, or of a key each.
func numbered(from, to int, key func(i int) string) []*message.Message {
	var all []*message.Message
	for i := from; i < to; i++ {
		all = append(all, event(fmt.Sprint(i), key(i)))
	}
	return all
}

func sameKey(int) string { return "k" }

func ids(items []*jetstream.Item) []string {
	var out []string
	for _, i := range items {
		out = append(out, string(i.Payload()))
	}
	return out
}

// collect settles batches with settle until n messages came, and returns what came.
func collect(t *testing.T, out <-chan *message.Message, n int, settle func(*jetstream.Item)) []string {
	t.Helper()
	var got []string
	for len(got) < n {
		m := next(t, out)
		for _, item := range jetstream.BatchOf(m).Items() {
			got = append(got, string(item.Payload()))
			settle(item)
		}
		m.Ack()
	}
	return got
}

func want(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// nothingYet sees that nothing is handed out: what waits comes with what is released.
func nothingYet(t *testing.T, out <-chan *message.Message) {
	t.Helper()
	select {
	case m := <-out:
		t.Fatalf("%v came before what is in front of it was released", ids(jetstream.BatchOf(m).Items()))
	default:
	}
}

// A micro-batch is what waits, in order, up to the limit; the next one comes when it is
// released, and one acknowledgement settles all of it.
func TestBatchIsWhatWaits(t *testing.T) {
	b := open(t, t.TempDir())
	out, _ := batches(t, b, "BATCH.>", jetstream.Limits{Messages: 10, Bytes: 1 << 20})
	publish(t, b, "BATCH.x", numbered(0, 1, sameKey)...)
	alone := next(t, out)
	want(t, ids(jetstream.BatchOf(alone).Items()), []string{"0"}) // it does not wait for more
	publish(t, b, "BATCH.x", numbered(1, 25, sameKey)...)
	polltest.Until(t, "the broker has handed them over", func() bool {
		backlog, err := b.Backlog(t.Context(), "BATCH", "test")
		check(t, err)
		return backlog.InFlight >= 11
	})
	nothingYet(t, out)
	jetstream.Release(alone)
	jetstream.Release(alone) // any number of times
	var got []string
	for len(got) < 24 {
		m := next(t, out)
		items := jetstream.BatchOf(m).Items()
		if len(items) > 10 {
			t.Errorf("a batch of %d", len(items))
		}
		got = append(got, ids(items)...)
		nothingYet(t, out)
		m.Ack()
	}
	for i, id := range got {
		if id != fmt.Sprint(i+1) {
			t.Fatalf("got %v", got)
		}
	}
	settled(t, b, "BATCH", 1)
	alone.Ack()
	settled(t, b, "BATCH", 0)
}

// A batch has so many bytes and no more, but at least one message.
func TestBatchOfBytes(t *testing.T) {
	b := open(t, t.TempDir())
	for i, size := range []int{10, 400, 400, 400, 5000, 400} {
		publish(t, b, "BYTES.x", message.NewMessage(fmt.Sprint(i), []byte(strings.Repeat(fmt.Sprint(i), size))))
	}
	out, _ := batches(t, b, "BYTES.>", jetstream.Limits{Messages: 10, Bytes: 1000})
	total := 0
	for total < 6 {
		m := next(t, out)
		items := jetstream.BatchOf(m).Items()
		bytes := 0
		for _, i := range items {
			bytes += len(i.Payload())
		}
		if bytes > 1000 && len(items) > 1 {
			t.Errorf("a batch of %d bytes in %d messages", bytes, len(items))
		}
		total += len(items)
		m.Ack()
	}
}

// A message that fails comes again by itself, and those behind it of its key wait for it;
// those of other keys do not, and are acknowledged.
func TestFailingMessageHoldsItsKey(t *testing.T) {
	b := open(t, t.TempDir())
	publish(t, b, "FAILS.x", event("bad-1", "bad"), event("good-1", "good"), event("bad-2", "bad"), event("good-2", "good"))
	out, _ := batches(t, b, "FAILS.>", jetstream.Limits{Messages: 10, Bytes: 1 << 20}, func(c *jetstream.SubscriberConfig) { c.MaxDeliver = 5 })
	failed := 0
	good := []string{}
	publish(t, b, "FAILS.x", event("bad-3", "bad"), event("good-3", "good"))
	for len(good) < 3 || failed < 3 {
		m := next(t, out)
		held := false
		for _, item := range jetstream.BatchOf(m).Items() {
			switch id := string(item.Payload()); {
			case item.Key() == "good":
				good = append(good, id)
			case held:
				item.Wait(0)
			case id != "bad-1":
				t.Fatalf("%s came before bad-1", id)
			default:
				failed++
				if item.Deliveries() != failed || item.Redelivery().Possible() != (failed > 1) {
					t.Errorf("delivery %d, redelivery %d at the %d. time", item.Deliveries(), item.Redelivery(), failed)
				}
				held = true
				item.Nack(time.Millisecond)
			}
		}
		m.Ack()
	}
	want(t, good, []string{"good-1", "good-2", "good-3"})
	settled(t, b, "FAILS", 3)
	got := collect(t, out, 3, func(item *jetstream.Item) {
		if item.ID() != "bad-1" && (item.Deliveries() != 1 || item.Redelivery().Possible()) {
			t.Errorf("%s, which nobody had, is delivery %d", item.ID(), item.Deliveries())
		}
	})
	want(t, got, []string{"bad-1", "bad-2", "bad-3"})
	settled(t, b, "FAILS", 0)
}

// A key that fails does not fill its subscription: more messages than handlers may have
// wait behind it, and the others pass.
func TestFailingKeyLeavesBatchesRoom(t *testing.T) {
	b := open(t, t.TempDir())
	publish(t, b, "FILL.x", numbered(0, 100, sameKey)...)
	out, _ := batches(t, b, "FILL.>", jetstream.Limits{Messages: 4, Bytes: 1 << 20}, func(c *jetstream.SubscriberConfig) {
		c.InFlight = 8
		c.MaxDeliver = 100_000
	})
	publish(t, b, "FILL.x", event("good", "good"))
	found := false
	for !found {
		m := next(t, out)
		for i, item := range jetstream.BatchOf(m).Items() {
			switch {
			case item.Key() == "good":
				found = true
			case i == 0 && item.ID() == "0":
				item.Nack(50 * time.Millisecond)
			default:
				item.Wait(0)
			}
		}
		m.Ack()
	}
	for i, id := range collect(t, out, 100, func(*jetstream.Item) {}) {
		if id != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, id)
		}
	}
}

// What a handler holds is waited for by those behind it of its key, also when the batch
// was released long ago.
func TestHold(t *testing.T) {
	b := open(t, t.TempDir())
	publish(t, b, "HOLD.x", event("1", "k"))
	out, _ := batches(t, b, "HOLD.>", jetstream.Limits{Messages: 10, Bytes: 1 << 20})
	m := next(t, out)
	held := jetstream.BatchOf(m).Items()[0]
	held.Hold()
	jetstream.Release(m)
	publish(t, b, "HOLD.x", event("2", "k"), event("3", "other"), event("4", "k"))
	want(t, collect(t, out, 1, func(*jetstream.Item) {}), []string{"3"})
	settled(t, b, "HOLD", 3)
	nothingYet(t, out)
	held.Ack()
	want(t, collect(t, out, 2, func(*jetstream.Item) {}), []string{"2", "4"})
	m.Ack()
	settled(t, b, "HOLD", 0)
}

// One message of a batch is given up: the others are not.
func TestDeadMessageOfABatch(t *testing.T) {
	b := open(t, t.TempDir())
	publish(t, b, "GIVEUP.x", event("well-1", "k"), event("poison", "k"), event("well-2", "k"), event("hopeless", "l"))
	out, _ := batches(t, b, "GIVEUP.>", jetstream.Limits{Messages: 10, Bytes: 1 << 20}, func(c *jetstream.SubscriberConfig) { c.MaxDeliver = 2 })
	got := collect(t, out, 5, func(item *jetstream.Item) {
		switch item.ID() {
		case "poison":
			item.Dead("cannot be read")
		case "hopeless":
			item.Nack(time.Millisecond)
		}
	})
	if strings.Join(got[:2], " ") != "well-1 poison" {
		t.Errorf("got %v", got)
	}
	settled(t, b, "GIVEUP", 0)
	letters, _ := subscribe(t, b, "DEAD.>")
	reasons := map[string]string{}
	for range 2 {
		l := next(t, letters)
		reasons[string(l.Payload)] = l.Metadata.Get("Chatbell-Dead-Reason")
		l.Ack()
	}
	if reasons["poison"] != "cannot be read" || reasons["hopeless"] != "its handler failed 2 times" {
		t.Errorf("dead letters %v", reasons)
	}
}

// A subscriber that closes hands back what failed, what waits behind it, and what its
// handler gives back meanwhile: all of it comes to the next one at once.
func TestCloseHandsBackBatches(t *testing.T) {
	b := open(t, t.TempDir())
	patient := func(c *jetstream.SubscriberConfig) { c.AckWait = time.Hour }
	publish(t, b, "AGAIN.x", numbered(0, 20, sameKey)...)
	limit := jetstream.Limits{Messages: 5, Bytes: 1 << 20}
	out, first := batches(t, b, "AGAIN.>", limit, patient, func(c *jetstream.SubscriberConfig) { c.CloseTimeout = polltest.Patience })
	m := next(t, out)
	failed := jetstream.BatchOf(m).Items()[0]
	failed.Nack(time.Hour)
	closed := make(chan error, 1)
	go func() { closed <- first.Close() }()
	m.Nack()
	check(t, <-closed)
	out, _ = batches(t, b, "AGAIN.>", limit, patient)
	seen := map[string]bool{}
	for _, id := range collect(t, out, 20, func(*jetstream.Item) {}) {
		seen[id] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d of 20 came", len(seen))
	}
	settled(t, b, "AGAIN", 0)
}
