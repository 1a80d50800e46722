package jetstream

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// handedOver is a message as the broker hands it over.
type handedOver struct {
	jetstream.Msg
	sequence, delivered uint64
	back                int // how often it was handed back
}

func (h *handedOver) NakWithDelay(time.Duration) error { h.back++; return nil }

func (h *handedOver) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{Stream: "S", NumDelivered: h.delivered, Sequence: jetstream.SequencePair{Stream: h.sequence}}, nil
}
func (h *handedOver) Headers() nats.Header { return nil }
func (h *handedOver) Data() []byte         { return nil }
func (h *handedOver) Ack() error           { return nil }

func batching(t *testing.T) *subscription {
	t.Helper()
	s := &Subscriber{broker: &Broker{}, cfg: SubscriberConfig{Durable: "d", Batch: Limits{Messages: 10, Bytes: 1000}}}
	if err := s.cfg.setDefaults(); err != nil {
		t.Fatal(err)
	}
	return newSubscription(s, nil, "S")
}

// What waits goes to the broker when the subscription closes, and what its handler gives
// back afterwards does so, too.
func TestClosingGivesBack(t *testing.T) {
	sub := batching(t)
	failed := &handedOver{sequence: 1}
	waits := &handedOver{sequence: 2}
	kept := &handedOver{sequence: 3}
	for _, m := range []*handedOver{failed, waits, kept} {
		sub.take(m)
	}
	batch := sub.next(t.Context())
	batch.items[0].Nack(time.Hour)
	batch.items[1].Wait(0)
	sub.handBack()
	if failed.back != 1 || waits.back != 1 || kept.back != 0 {
		t.Errorf("handed back %d, %d, %d times: want those that no handler has", failed.back, waits.back, kept.back)
	}
	batch.items[2].Nack(time.Hour)
	if kept.back != 1 || len(sub.hands) != 0 {
		t.Errorf("handed back %d times, %d in hand", kept.back, len(sub.hands))
	}
}

// The broker hands a message out again where this process stood still for longer than it
// waits: while the first copy is here, with its handler or not, released or not, a second
// one is not handled beside it.
func TestCopyOfWhatIsInHand(t *testing.T) {
	sub := batching(t)
	arrive := func(delivered uint64) { sub.take(&handedOver{sequence: 1, delivered: delivered}) }
	arrive(1)
	arrive(2)
	batch := sub.next(t.Context())
	if batch == nil || len(batch.items) != 1 || batch.items[0].redelivery.Possible() {
		t.Fatalf("handed out: %+v, want the one message", batch)
	}
	batch.Release()
	arrive(3)
	if again := sub.next(t.Context()); again != nil {
		t.Error("a copy is handed out beside the first")
	}
	batch.items[0].Ack()
	arrive(4)
	again := sub.next(t.Context())
	if again == nil || again.items[0].Redelivery() != RedeliveredHere {
		t.Errorf("what comes after the acknowledgement, which may be lost: %+v, want a redelivery", again)
	}
}
