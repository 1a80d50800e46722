package deadletter_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/internal/polltest"
	"chatbell/pipeline/deadletter"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

func open(t *testing.T) *jetstream.Broker {
	t.Helper()
	broker, err := jetstream.Open(t.Context(), jetstream.Config{
		Dir:     t.TempDir(),
		Streams: []jetstream.Stream{{Name: work.StreamEvents}, {Name: work.StreamPush}, {Name: work.StreamResults}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	return broker
}

// What is given up is in its network's list, with the reason and without tokens; when it is
// replayed its stage gets it again, marked and at the place in order that it had.
func TestLetters(t *testing.T) {
	broker := open(t)
	letters := deadletter.New(broker)
	from, err := broker.Subscriber(jetstream.SubscriberConfig{Durable: "stage", InFlight: 8, Key: work.Key, NackDelay: time.Millisecond, CloseTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	messages, err := from.Subscribe(t.Context(), work.StreamEvents+".>")
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := json.Marshal(chatbell.Envelope{Network: "acme", Event: chatbell.Event{ID: "e1", Type: "message.created"}, AcceptedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range [][]byte{[]byte("first"), envelope} {
		m := message.NewMessage("id of "+string(payload[:1]), payload)
		work.SetKey(m, "acme\x00general")
		if err := broker.Publisher().Publish(work.Subject(work.StreamEvents, "acme\x00general", "acme"), m); err != nil {
			t.Fatal(err)
		}
	}
	polltest.Receive(t, "the first", messages).Ack()
	got := polltest.Receive(t, "the event", messages)
	got.Nack()
	got = polltest.Receive(t, "the event again", messages)
	jetstream.SetDead(got, "the template is broken")
	got.Nack()
	var list []deadletter.Letter
	polltest.Until(t, "it is among the dead", func() bool {
		list, _, err = letters.List(t.Context(), "acme", 0, 10)
		return err == nil && len(list) == 1
	})
	one := list[0]
	if one.Kind != deadletter.KindEvent || one.Reason != "the template is broken" || one.Tries != 2 || one.EventID != "e1" || !strings.Contains(string(one.Event), `"e1"`) {
		t.Errorf("it is told as %+v", one)
	}
	if err := letters.Replay(t.Context(), "globex", one.ID); !errors.Is(err, chatbell.ErrNotFound) {
		t.Errorf("another network replays it: %v", err)
	}
	if err := letters.Replay(t.Context(), "acme", one.ID); err != nil {
		t.Fatal(err)
	}
	again := polltest.Receive(t, "the event, replayed", messages)
	if again.UUID != got.UUID || work.Key(jetstream.BatchOf(again).Items()[0]) != "acme\x00general" || jetstream.Sequence(again) != 2 || jetstream.RedeliveryOf(again) != jetstream.RedeliveredHere {
		t.Errorf("it comes as %q with the key %q, sequence %d, redelivery %d", again.UUID, work.Key(jetstream.BatchOf(again).Items()[0]), jetstream.Sequence(again), jetstream.RedeliveryOf(again))
	}
	again.Ack()
	if err := letters.Replay(t.Context(), "acme", one.ID); !errors.Is(err, chatbell.ErrNotFound) {
		t.Errorf("replaying it twice: %v", err)
	}
}

// Each kind is told without the tokens in it, also what cannot be read; a list ends where
// its payloads are large, and what is removed is gone.
func TestKinds(t *testing.T) {
	broker := open(t)
	letters := deadletter.New(broker)
	batch := work.Batch{
		Notification: chatbell.Notification{Network: "acme", EventID: "e2"},
		Texts:        []chatbell.Text{{Title: "secret text"}},
		Targets:      []work.Target{{User: "bob", Token: "secret-token"}},
	}
	push, err := batch.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range []struct {
		subject string
		payload []byte
	}{
		{"EVENTS.1.acme", []byte("{broken \xff")},
		{"PUSH.1.acme", push},
		{"HOOK.1.acme", []byte("broken")},
		{"EVENTS.1.globex", []byte("{}")},
		{"RESULTS", []byte("of several networks")},
		{"EVENTS.1.acme", make([]byte, 3<<20)},
		{"EVENTS.1.acme", make([]byte, 3<<20)},
		{"EVENTS.1.acme", []byte("{}")},
	} {
		if err := broker.Bury(t.Context(), x.subject, uint64(i), x.payload, "why"); err != nil {
			t.Fatal(err)
		}
	}
	list, more, err := letters.List(t.Context(), "acme", 0, 10)
	if err != nil || len(list) != 5 || !more {
		t.Fatalf("%d are listed, more %t, %v", len(list), more, err)
	}
	if told := string(list[0].Event); list[0].Kind != deadletter.KindEvent || !strings.Contains(told, "{broken") || !json.Valid([]byte(told)) {
		t.Errorf("what cannot be read is told as %+v", list[0])
	}
	if p := list[1]; p.Kind != deadletter.KindPush || p.Event != nil || p.EventID != "e2" || p.Targets != 1 {
		t.Errorf("a batch is told as %+v", p)
	}
	if list[2].Kind != deadletter.KindWebhook {
		t.Errorf("a call is told as %+v", list[2])
	}
	rest, more, err := letters.List(t.Context(), "acme", list[4].ID, 10)
	if err != nil || len(rest) != 1 || more {
		t.Errorf("then %d are listed, more %t, %v", len(rest), more, err)
	}
	for _, id := range []uint64{list[0].ID, list[1].ID} {
		if err := letters.Delete(t.Context(), "acme", id); err != nil {
			t.Errorf("remove %d: %v", id, err)
		}
		if err := letters.Delete(t.Context(), "acme", id); !errors.Is(err, chatbell.ErrNotFound) {
			t.Errorf("remove %d again: %v", id, err)
		}
		if err := broker.RemoveDead(t.Context(), id); err != nil {
			t.Errorf("remove %d, which is not there: %v", id, err)
		}
	}
	if list, _, err := letters.List(t.Context(), "acme", 0, 1); err != nil || len(list) != 1 || list[0].Kind != deadletter.KindWebhook {
		t.Errorf("left are %+v, %v", list, err)
	}
}
