package jetstream_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/internal/polltest"
	"chatbell/pipeline/jetstream"
)

// A stream that is lifted goes on behind the sequence, also after it was opened again; what
// waits in it is handed out as it was, and what is handled already is not.
func TestLift(t *testing.T) {
	for _, waiting := range []int{0, 3} {
		t.Run(fmt.Sprint(waiting, " wait"), func(t *testing.T) {
			cfg := jetstream.Config{Dir: t.TempDir(), Streams: []jetstream.Stream{{Name: "WORK", MaxBytes: 64 << 20}}}
			b, err := jetstream.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			subscribe := func() (<-chan *message.Message, *jetstream.Subscriber) {
				from, err := b.Subscriber(jetstream.SubscriberConfig{Durable: "stage", InFlight: 8, CloseTimeout: time.Second})
				if err != nil {
					t.Fatal(err)
				}
				messages, err := from.Subscribe(t.Context(), "WORK.>")
				if err != nil {
					t.Fatal(err)
				}
				return messages, from
			}
			publish := func() {
				if err := b.Publisher().Publish("WORK.a", message.NewMessage("", nil)); err != nil {
					t.Fatal(err)
				}
			}
			messages, from := subscribe()
			publish()
			polltest.Receive(t, "the first", messages).Ack()
			if err := from.Close(); err != nil {
				t.Fatal(err)
			}
			for range waiting {
				publish()
			}
			polltest.Until(t, "the first is done", func() bool {
				backlog, err := b.Backlog(t.Context(), "WORK", "stage")
				return err == nil && backlog.InFlight == 0 && backlog.LastSeq == uint64(1+waiting)
			})
			if err := b.Lift(t.Context(), "WORK", 5000, "stage"); err != nil {
				t.Fatal(err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if b, err = jetstream.Open(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if err := b.Lift(t.Context(), "WORK", 4000, "stage"); err != nil { // it is there already
				t.Error(err)
			}
			messages, from = subscribe()
			defer from.Close()
			publish()
			var got []uint64
			for range waiting + 1 {
				m := polltest.Receive(t, "what waits, and the new one", messages)
				got = append(got, jetstream.Sequence(m))
				m.Ack()
			}
			want := []uint64{2, 3, 4, 5001}[3-waiting:]
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("handed out are %v, want %v", got, want)
			}
		})
	}
}

// A stream that is too far behind, while something waits in it, stays as it is.
func TestLiftTooFar(t *testing.T) {
	b, err := jetstream.Open(t.Context(), jetstream.Config{Dir: t.TempDir(), Streams: []jetstream.Stream{{Name: "WORK"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Publisher().Publish("WORK.a", message.NewMessage("", nil)); err != nil {
		t.Fatal(err)
	}
	if err := b.Lift(t.Context(), "WORK", 1<<40, "stage"); !errors.Is(err, jetstream.ErrTooFarBehind) {
		t.Errorf("it is lifted: %v", err)
	}
	if last, err := b.LastSequence(t.Context(), "WORK"); last != 1 || err != nil {
		t.Errorf("it ends at %d, %v", last, err)
	}
}
