package jetstream_test

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/internal/polltest"
	"chatbell/pipeline/jetstream"
)

const keyOf = "key"

func byKey(m *message.Message) string { return m.Metadata.Get(keyOf) }

func itemKey(i *jetstream.Item) string { return i.Header(keyOf) }

func event(id, key string) *message.Message {
	m := message.NewMessage(id, []byte(id))
	m.Metadata.Set(keyOf, key)
	return m
}

func publish(t *testing.T, b *jetstream.Broker, topic string, msgs ...*message.Message) {
	t.Helper()
	if err := b.Publisher().Publish(topic, msgs...); err != nil {
		t.Fatal(err)
	}
}

// subscribe reads a topic until the test ends or the subscriber is closed.
func subscribe(t *testing.T, b *jetstream.Broker, topic string, change ...func(*jetstream.SubscriberConfig)) (<-chan *message.Message, *jetstream.Subscriber) {
	t.Helper()
	cfg := jetstream.SubscriberConfig{Durable: "test", NackDelay: 10 * time.Millisecond, CloseTimeout: 100 * time.Millisecond, Key: itemKey}
	for _, c := range change {
		c(&cfg)
	}
	s, err := b.Subscriber(cfg)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Subscribe(context.Background(), topic) // Close ends it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return out, s
}

// next waits for a message.
func next(t *testing.T, out <-chan *message.Message) *message.Message {
	t.Helper()
	return polltest.Receive(t, "a message", out)
}

// none sees that nothing of what was published is handed out now: a message of a key of
// its own, which nothing holds, overtakes all that is held, and comes after all that is
// not.
func none(t *testing.T, b *jetstream.Broker, topic string, out <-chan *message.Message) {
	t.Helper()
	m := event("overtakes-"+rand.Text(), "overtakes")
	publish(t, b, topic, m)
	got := next(t, out)
	if got.UUID != m.UUID {
		t.Fatalf("%s came", got.UUID)
	}
	got.Ack()
}

// settled waits until the broker knows that no more than so many messages are waiting or
// in hand: what was acknowledged before will not come again.
func settled(t *testing.T, b *jetstream.Broker, stream string, left uint64) {
	t.Helper()
	polltest.Until(t, fmt.Sprint(left, " messages are left"), func() bool {
		backlog, err := b.Backlog(t.Context(), stream, "test")
		if err != nil {
			t.Fatal(err)
		}
		return backlog.Pending+backlog.InFlight == left
	})
}

// Handlers of different keys run side by side; those of one key one after another, in
// the order of the stream, also when some hand their message back.
func TestOrderForEachKey(t *testing.T) {
	const keys, each = 20, 50
	b := open(t, t.TempDir())
	var all []*message.Message
	for i := range each {
		for k := range keys {
			all = append(all, event(fmt.Sprintf("%d-%d", k, i), strconv.Itoa(k)))
		}
	}
	publish(t, b, "ORDER.x", all...)
	out, _ := subscribe(t, b, "ORDER.>")

	var mu sync.Mutex
	var wg sync.WaitGroup
	seen, busy, most := map[string][]string{}, map[string]int{}, 0
	for done := 0; done < keys*each; {
		m := next(t, out)
		if mathrand.IntN(10) == 0 {
			m.Nack()
			continue
		}
		done++
		wg.Go(func() {
			mu.Lock()
			busy[byKey(m)]++
			if busy[byKey(m)] > 1 {
				t.Errorf("two handlers have messages of key %s", byKey(m))
			}
			most = max(most, len(busy))
			seen[byKey(m)] = append(seen[byKey(m)], m.UUID)
			mu.Unlock()
			mu.Lock()
			delete(busy, byKey(m))
			mu.Unlock()
			m.Ack()
		})
	}
	wg.Wait()
	for k := range keys {
		for i, id := range seen[strconv.Itoa(k)] {
			if want := fmt.Sprintf("%d-%d", k, i); id != want {
				t.Fatalf("message %d of key %d is %s, want %s", i, k, id, want)
			}
		}
	}
}

// Release lets the key's next message pass before this one is acknowledged.
func TestReleaseLetsTheNextPass(t *testing.T) {
	b := open(t, t.TempDir())
	const topic = "RELEASE.x"
	publish(t, b, topic, event("1", "k"), event("2", "k"), event("3", "k"))
	out, _ := subscribe(t, b, "RELEASE.>")
	first := next(t, out)
	none(t, b, topic, out)
	jetstream.Release(first)
	jetstream.Release(first) // any number of times
	second := next(t, out)
	if second.UUID != "2" {
		t.Fatalf("got %s", second.UUID)
	}
	none(t, b, topic, out)
	first.Ack() // already released: the third still waits for the second
	settled(t, b, "RELEASE", 2)
	none(t, b, topic, out)
	second.Ack()
	if third := next(t, out); third.UUID != "3" {
		t.Errorf("got %s", third.UUID)
	} else {
		third.Ack()
	}
}

// While a message waits for its second try its key waits, and the others do not.
func TestNackDelay(t *testing.T) {
	const delay = 300 * time.Millisecond
	b := open(t, t.TempDir())
	publish(t, b, "DELAY.x", event("1", "k"), event("2", "k"), event("3", "other"))
	out, _ := subscribe(t, b, "DELAY.>")
	got := map[string]*message.Message{}
	for range 2 {
		m := next(t, out)
		got[m.UUID] = m
	}
	if got["1"] == nil || got["3"] == nil {
		t.Fatalf("got %v, want the first of each key", got)
	}
	got["3"].Ack()
	start := time.Now()
	jetstream.SetNackDelay(got["1"], delay)
	got["1"].Nack()
	again := next(t, out)
	if again.UUID != "1" || time.Since(start) < delay {
		t.Errorf("%s came after %v", again.UUID, time.Since(start))
	}
	if jetstream.Deliveries(again) != 2 || jetstream.RedeliveryOf(again) != jetstream.RedeliveredHere {
		t.Errorf("deliveries %d, redelivery %d", jetstream.Deliveries(again), jetstream.RedeliveryOf(again))
	}
	again.Ack()
	last := next(t, out)
	if last.UUID != "2" || jetstream.RedeliveryOf(last).Possible() {
		t.Errorf("got %s, redelivered %t", last.UUID, jetstream.RedeliveryOf(last).Possible())
	}
	last.Ack()
}

// A key whose first message fails for long parks so many and no more, and others pass
// it by; the order holds when it is over.
func TestFailingKeyLeavesRoom(t *testing.T) {
	const n = 50
	b := open(t, t.TempDir())
	var all []*message.Message
	for i := range n {
		all = append(all, event(fmt.Sprint("bad-", i), "bad"))
	}
	publish(t, b, "ROOM.x", all...)
	out, _ := subscribe(t, b, "ROOM.>", func(c *jetstream.SubscriberConfig) { c.InFlight = 64; c.MaxDeliver = 1000 })
	next(t, out).Nack()
	publish(t, b, "ROOM.x", event("good", "good"))
	for failed := 0; ; failed++ {
		m := next(t, out)
		if m.UUID == "good" {
			m.Ack()
			break
		}
		if m.UUID != "bad-0" {
			t.Fatalf("%s came before bad-0", m.UUID)
		}
		if failed > 500 {
			t.Fatal("the good key never got a place")
		}
		m.Nack()
	}
	for i := range n {
		m := next(t, out)
		if m.UUID != fmt.Sprint("bad-", i) {
			t.Fatalf("got %s, want bad-%d", m.UUID, i)
		}
		m.Ack()
	}
}

// What was sent to a subscriber and nobody had read when it closed comes to the next one,
// although the broker would give it to nobody for an hour.
func TestCloseHandsBackWhatNobodyRead(t *testing.T) {
	const n = 100
	b := open(t, t.TempDir())
	patient := func(c *jetstream.SubscriberConfig) { c.AckWait = time.Hour }
	for i := range n {
		publish(t, b, "UNREAD", event(strconv.Itoa(i), strconv.Itoa(i)))
	}
	out, first := subscribe(t, b, "UNREAD", patient)
	next(t, out).Ack()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	out, _ = subscribe(t, b, "UNREAD", patient)
	seen := map[string]bool{}
	for range n - 1 {
		m := next(t, out)
		seen[m.UUID] = true
		m.Ack()
	}
	if len(seen) != n-1 {
		t.Errorf("%d of %d came", len(seen), n-1)
	}
}
