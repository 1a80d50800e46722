package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/push"
	"chatbell/pipeline/work"
	"chatbell/rules"
	"chatbell/templates"
)

// counting is a provider that accepts after a while and only counts.
type counting struct {
	latency time.Duration
	sent    atomic.Int64
	want    int64
	done    chan struct{}
}

func (*counting) Prepare(n *push.Content) (push.Payload, error) { return payload{*n}, nil }

func (c *counting) Streams() int { return 1000 }

func (c *counting) Send(context.Context, push.Payload, push.Target) (push.Receipt, error) {
	if c.latency > 0 {
		<-time.After(c.latency)
	}
	if c.sent.Add(1) == c.want {
		close(c.done)
	}
	return push.Receipt{ProviderID: "p", Status: 200}, nil
}

type roomy struct{}

func (roomy) Full(context.Context) (bool, error) { return false, nil }

// BenchmarkDirect works off messages to one person each, that wait in the stream: all of
// the work between the acceptance of a request and the acknowledgement of it, without any
// provider. Its cpu-µs/event is the processor time of all threads.
func BenchmarkDirect(b *testing.B) {
	for _, latency := range []time.Duration{0, 30 * time.Millisecond} {
		b.Run(fmt.Sprint("provider=", latency), func(b *testing.B) { benchmarkDirect(b, latency) })
	}
}

func benchmarkDirect(b *testing.B, latency time.Duration) {
	const channels = 2000
	dir := b.TempDir()
	broker, err := jetstream.Open(b.Context(), jetstream.Config{Dir: filepath.Join(dir, "js"), Streams: pipeline.Streams(0)})
	ok(b, err)
	defer func() { ok(b, broker.Close()) }()
	store, err := sqlite.Open(b.Context(), sqlite.Config{Path: filepath.Join(dir, "db")})
	ok(b, err)
	defer func() { ok(b, store.Close()) }()
	for c := range channels {
		channel := chatbell.ChannelID(fmt.Sprint("c", c))
		for _, user := range []string{fmt.Sprint("a", c), fmt.Sprint("b", c)} {
			ok(b, store.PutMember(b.Context(), "acme", channel, chatbell.Member{User: chatbell.User{ID: chatbell.UserID(user)}}))
		}
		_, err := store.RegisterDevice(b.Context(), "acme", chatbell.Device{
			ID: chatbell.DeviceID(fmt.Sprint("dev", c)), User: chatbell.UserID(fmt.Sprint("b", c)), Provider: chatbell.ProviderAPNs, App: "chat", Token: fmt.Sprint("t", c),
		})
		ok(b, err)
	}
	publishDirect(b, broker, channels)
	provider := &counting{latency: latency, want: int64(b.N), done: make(chan struct{})}
	rs, err := rules.New()
	ok(b, err)
	cat, err := templates.New(templates.Config{DefaultLocale: "en"})
	ok(b, err)
	networks := many{"acme": {
		ID: "acme", DefaultLocale: "en", Delivery: chatbell.DeliverDirect, Rules: rs, Catalogue: cat,
		Pushers: map[work.Credential]push.Notifier{{Provider: chatbell.ProviderAPNs, App: "chat"}: provider},
	}}
	p, err := pipeline.New(pipeline.Config{
		Publisher: broker.Publisher(),
		Subscribe: func(c pipeline.Consumer, share int) (message.Subscriber, error) {
			return broker.Subscriber(subscriberConfig(c, share))
		},
		Store: store, Networks: networks, Results: broker.Tail(work.StreamResults), Room: roomy{}, Caller: &hook{},
		Observer: noObserver{}, Log: slog.New(slog.DiscardHandler),
	})
	ok(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	ended := make(chan error, 1)
	b.ResetTimer()
	began := processorTime(b)
	go func() { ended <- p.Run(ctx) }()
	<-provider.done
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for p.Written() < uint64(3*b.N) { // an event, an attempt and a delivery; the actor's own row besides
		<-tick.C
	}
	b.StopTimer()
	b.ReportMetric(float64((processorTime(b)-began).Nanoseconds())/1e3/float64(b.N), "cpu-µs/event")
	cancel()
	ok(b, <-ended)
}

func subscriberConfig(c pipeline.Consumer, share int) jetstream.SubscriberConfig {
	cfg := c.Subscriber(share)
	cfg.CloseTimeout = time.Second
	return cfg
}

func publishDirect(b *testing.B, broker *jetstream.Broker, channels int) {
	var msgs []*message.Message
	var topics []string
	flush := func() {
		results, err := broker.Publisher().PublishAcked(b.Context(), func(i int) string { return topics[i] }, msgs)
		ok(b, err)
		for _, r := range results {
			ok(b, r.Err)
		}
		msgs = nil
		topics = nil
	}
	for i := range b.N {
		c := i % channels
		e := chatbell.Event{
			ID: chatbell.EventID(fmt.Sprint("e", i)), Type: chatbell.MessageCreated, Time: time.Now(), Actor: chatbell.Person{ID: chatbell.UserID(fmt.Sprint("a", c)), Name: "Alice"},
			Channel: chatbell.ChannelRef{ID: chatbell.ChannelID(fmt.Sprint("c", c)), Name: "General"}, Message: &chatbell.Message{ID: fmt.Sprint("m", i), Type: chatbell.MessageText, Text: "Has anybody seen my keys?"},
		}
		env := chatbell.Envelope{Network: "acme", Event: e, AcceptedAt: time.Now(), Source: chatbell.SourceEvent}
		data, err := json.Marshal(env)
		ok(b, err)
		m := message.NewMessage(chatbell.EventKey("acme", e.ID), data)
		work.SetKey(m, env.Key())
		msgs = append(msgs, m)
		topics = append(topics, work.Subject(work.StreamEvents, env.Key(), "acme"))
		if len(msgs) == 1000 {
			flush()
		}
	}
	flush()
}

func ok(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	ok(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
