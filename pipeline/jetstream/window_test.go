package jetstream

import (
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"

	"chatbell/internal/polltest"
)

// The first answer to a new reader is lost on its way (the broker took longer than the
// second that the client waits): the next read begins where this one should have.
func TestReadMissesNothingAtFirst(t *testing.T) {
	b, err := Open(t.Context(), Config{Dir: t.TempDir(), Streams: []Stream{{Name: "READ"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for i := range 3 {
		if err := b.Publisher().Publish("READ", message.NewMessage(fmt.Sprint("m", i), fmt.Append(nil, i))); err != nil {
			t.Fatal(err)
		}
	}
	r, err := b.reader(t.Context(), "READ", "READ", 1)
	if err != nil {
		t.Fatal(err)
	}
	lost, err := r.consumer.Next(jetstream.FetchMaxWait(polltest.Patience)) // sent, and never read
	if err != nil || lost == nil {
		t.Fatal(err)
	}
	got, err := b.Read(t.Context(), "READ", 1, 10, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Sequence != 1 {
		t.Errorf("read %d messages from %d on, want 3 from 1", len(got), got[0].Sequence)
	}
}

// A process is killed between the two halves of rewinding a consumer: the next one goes
// on at the floor, not at the beginning of the stream.
func TestKilledWhileRewinding(t *testing.T) {
	dir := t.TempDir()
	open := func() *Broker {
		b, err := Open(t.Context(), Config{Dir: dir, Streams: []Stream{{Name: "WORK"}}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	next := func(b *Broker) *message.Message {
		s, err := b.Subscriber(SubscriberConfig{Durable: "d", CloseTimeout: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		msgs, err := s.Subscribe(t.Context(), "WORK.>")
		if err != nil {
			t.Fatal(err)
		}
		return polltest.Receive(t, "a message", msgs)
	}
	b := open()
	for i := range 5 {
		if err := b.Publisher().Publish("WORK.x", message.NewMessage(fmt.Sprint("m", i), fmt.Append(nil, i))); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.js.CreateConsumer(t.Context(), "WORK", jetstream.ConsumerConfig{Durable: "d", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 256, FilterSubject: "WORK.>", AckWait: 30 * time.Second, MaxDeliver: -1})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(4)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for m := range batch.Messages() {
		if n++; n <= 3 { // three are finished, the fourth is in hand
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open()
	if _, err := b.resume(t.Context(), "WORK", "d", 1000); err != nil { // and then it is killed
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open()
	defer b.Close()
	m := next(b)
	if seq := Sequence(m); seq != 4 {
		t.Errorf("it goes on at %d, want 4: what is finished is handed out again", seq)
	}
	m.Ack()
}
