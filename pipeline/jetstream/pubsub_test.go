package jetstream_test

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"chatbell/pipeline/jetstream"
)

// open opens a broker that makes streams for the suite's topics.
func open(t testing.TB, dir string, change ...func(*jetstream.Config)) *jetstream.Broker {
	t.Helper()
	cfg := jetstream.Config{Dir: dir, AutoCreate: true}
	for _, c := range change {
		c(&cfg)
	}
	b, err := jetstream.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// TestPubSub is watermill's own suite. Order across concurrent handlers needs a
// key; without one the router would run handlers side by side.
func TestPubSub(t *testing.T) {
	b := open(t, t.TempDir())
	construct := func(t *testing.T, durable string) (message.Publisher, message.Subscriber) {
		s, err := b.Subscriber(jetstream.SubscriberConfig{
			Durable: durable, NackDelay: 10 * time.Millisecond, CloseTimeout: time.Second,
			Key: func(*jetstream.Item) string { return "all" },
		})
		if err != nil {
			t.Fatal(err)
		}
		return b.Publisher(), s
	}
	tests.TestPubSub(t, tests.Features{
		ConsumerGroups: true, GuaranteedOrderWithSingleSubscriber: true, Persistent: true, ForceShort: true,
	}, func(t *testing.T) (message.Publisher, message.Subscriber) {
		return construct(t, "test")
	}, func(t *testing.T, group string) (message.Publisher, message.Subscriber) {
		return construct(t, group)
	})
}
