package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/internal/polltest"
	"chatbell/pipeline"
	"chatbell/pipeline/push"
	"chatbell/pipeline/webhooks"
	"chatbell/pipeline/work"
)

// many are networks by id.
type many map[chatbell.NetworkID]*work.Network

func (m many) Network(id chatbell.NetworkID) (*work.Network, bool) {
	n, ok := m[id]
	return n, ok
}

// hanging is a provider that says nothing until it is released.
type hanging struct {
	*phone
	release <-chan struct{}
}

func (h hanging) Send(ctx context.Context, p push.Payload, t push.Target) (push.Receipt, error) {
	select {
	case <-h.release:
		return h.phone.Send(ctx, p, t)
	case <-ctx.Done():
		return push.Receipt{}, ctx.Err()
	}
}

// hangingCaller is a customer whose endpoints say nothing until they are released.
type hangingCaller struct {
	*hook
	release <-chan struct{}
}

func (h hangingCaller) Deliver(ctx context.Context, ep chatbell.Endpoint, call webhooks.Call) (int, error) {
	select {
	case <-h.release:
		return h.hook.Deliver(ctx, ep, call)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// A hundred destinations hang, pushes and webhooks, each of another network that goes on
// talking: another network's people are told meanwhile. What hangs holds no place of the
// stages, waits in its own backlog, and arrives when the destinations are back, each of it
// once.
func TestHundredHangingDestinations(t *testing.T) {
	const (
		destinations = 100
		messages     = 40 // to each: more, all together, than the stages have places
	)
	release := make(chan struct{})
	s := newStage(t)
	networks := many{}
	slow := &phone{}
	s.run(nil, func(c *pipeline.Config, s *stage) {
		networks["acme"] = s.net
		for i := range destinations {
			n := *s.net
			n.ID = chatbell.NetworkID(fmt.Sprint("hangs-", i))
			if i%2 == 0 {
				n.Pushers = map[work.Credential]push.Notifier{{Provider: chatbell.ProviderAPNs, App: "chat"}: hanging{slow, release}}
			} else {
				n.Delivery = chatbell.DeliverWebhook
				n.Endpoints = []chatbell.Endpoint{{ID: "main", URL: "https://x", Events: []string{"*"}}}
			}
			networks[n.ID] = &n
		}
		c.Networks = networks
		c.Caller = hangingCaller{s.hook, release}
	})
	for id := range networks {
		s.deviceOf(id, "b", "t"+string(id))
		s.postTo(id, created("made", "a", "b"))
	}
	for i := range messages {
		for id := range networks {
			if id != "acme" {
				s.postTo(id, text(fmt.Sprint("m", i), "a", "hello"))
			}
		}
		s.postTo("acme", text(fmt.Sprint("m", i), "a", "hello"))
		want := i + 2
		polltest.Until(t, "the healthy network's phone is told", func() bool { return len(s.phone.all()) >= want })
	}
	if n := len(slow.all()); n > 0 {
		t.Fatalf("%d pushes got through although their provider hung", n)
	}
	close(release)
	// Each network: the channel's creation and the messages. The endpoints get each event
	// as a notification, and raw.
	pushes := destinations / 2 * (messages + 1)
	polltest.Until(t, "what waited arrives", func() bool { return len(slow.all()) >= pushes && len(s.hook.all()) >= 2*pushes })
	s.until("nothing is left to do", s.idle)
	if got := len(slow.all()); got != pushes {
		t.Errorf("%d pushes, want %d", got, pushes)
	}
	if got := len(s.hook.all()); got != 2*pushes {
		t.Errorf("%d calls, want %d", got, 2*pushes)
	}
}

// deviceOf registers a device of any network's.
func (s *stage) deviceOf(network chatbell.NetworkID, user, token string) {
	s.t.Helper()
	_, err := s.store.RegisterDevice(s.t.Context(), network, chatbell.Device{
		ID: chatbell.DeviceID("dev-" + token), User: chatbell.UserID(user), Provider: chatbell.ProviderAPNs, App: "chat", Token: token,
	})
	check(s.t, err)
}

// postTo publishes an event of any network's, as intake does.
func (s *stage) postTo(network chatbell.NetworkID, e chatbell.Event) {
	s.t.Helper()
	env := chatbell.Envelope{Network: network, Event: e, AcceptedAt: time.Now(), Source: chatbell.SourceEvent}
	data, err := json.Marshal(env)
	check(s.t, err)
	m := message.NewMessage(chatbell.EventKey(network, e.ID), data)
	work.SetKey(m, env.Key())
	check(s.t, s.broker.Publisher().Publish(work.Subject(work.StreamEvents, env.Key(), network), m))
}

// holding is a store that does not let go of the events of one channel.
type holding struct {
	pipeline.Store
	channel chatbell.ChannelID
	release <-chan struct{}
}

func (h *holding) Apply(ctx context.Context, seq uint64, env *chatbell.Envelope) error {
	if env.Event.Channel.ID == h.channel {
		select {
		case <-h.release:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return h.Store.Apply(ctx, seq, env)
}

// A channel with far more messages than can be worked off delays its own partition, and no
// channel of another one.
func TestHotChannelHarmsItsPartitionOnly(t *testing.T) {
	const hot, calm = "hot", "calm"
	if work.Partition("acme\x00"+hot) == work.Partition("acme\x00"+calm) {
		t.Fatal("choose another name: the two channels are in one partition")
	}
	release := make(chan struct{})
	s := startWith(t, nil, func(c *pipeline.Config, _ *stage) {
		c.Store = &holding{Store: c.Store, channel: hot, release: release}
	})
	s.device("b", "tb", "")
	in := func(channel chatbell.ChannelID, e chatbell.Event) chatbell.Event {
		e.Channel = chatbell.ChannelRef{ID: channel, Name: "C"}
		return e
	}
	s.post(in(calm, created("made", "a", "b")))
	const events = 3000 // more than the stage has places
	for i := range events {
		s.post(in(hot, text(fmt.Sprint("h", i), "a", "hello")))
	}
	s.post(in(calm, text("m", "a", "hello")))
	polltest.Until(t, "the calm channel is told", func() bool { return len(s.phone.all()) == 2 })
	close(release)
	s.until("nothing is left to do", s.idle)
}
