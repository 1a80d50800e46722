package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/webhooks"
)

// Store is everything that the stages keep.
type Store interface {
	State
	Rechecks
	Devices
	Checkpoints
	Waiting
}

// Config is what a pipeline is made of. All fields but the last four are required.
type Config struct {
	Publisher message.Publisher
	// Events, Push and Hook subscribe to the three streams, with the gate of [Key].
	Events, Push, Hook message.Subscriber
	Store              Store
	Networks           Networks
	Recorded           Recorded
	Room               Room
	Caller             Caller
	Observer           Observer
	Log                *slog.Logger

	// EventsInFlight is how many events the subscriber hands out at once. One destination
	// that says nothing may hold half of them.
	EventsInFlight int

	Retry Retry
	// CloseTimeout bounds how long Close waits for work in hand. Default 30 s.
	CloseTimeout time.Duration
	Now          func() time.Time
}

// Pipeline is the running stages.
type Pipeline struct {
	router  *message.Router
	results *ResultWriter
	later   *later
	sender  *sender
	hold    *hold
}

// quieter makes the router's news our debugging: an operator reads what concerns
// events, not how handlers start.
var quieter = map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug}

// audiencePage is how many people are read, decided and written in one go: some
// 1,000 rows are a millisecond or two of SQLite and about 120 KiB of work, and as many
// as one webhook call names.
const audiencePage = webhooks.MaxTargets

// New wires the stages. Nothing runs yet.
func New(c Config) (*Pipeline, error) {
	if c.CloseTimeout <= 0 {
		c.CloseTimeout = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Retry.PushInitial == 0 {
		c.Retry = DefaultRetry()
	}
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: c.CloseTimeout}, watermill.NewSlogLoggerWithLevelMapping(c.Log, quieter))
	if err != nil {
		return nil, fmt.Errorf("make the router: %w", err)
	}
	boot := watermill.NewUUID()
	p := &Pipeline{router: router, results: NewResultWriter(c.Publisher), hold: &hold{room: c.Room, log: c.Log, stopping: make(chan struct{})}}
	p.later = &later{waiting: c.Store, publisher: c.Publisher, boot: boot, wake: make(chan struct{}, 1), log: c.Log}
	p.sender = &sender{
		devices: c.Store, caller: c.Caller, later: p.later, retry: c.Retry, now: c.Now, log: c.Log,
		metrics: c.Observer, results: p.results, queues: map[Destination]*queue{},
	}
	seen := &repeats{recorded: c.Recorded}
	m := &matcher{
		state: c.Store, networks: c.Networks, sender: p.sender, results: p.results, repeats: seen, retry: c.Retry, now: c.Now,
		pageLimit: audiencePage, share: max(c.EventsInFlight/2, probes), fanout: &fanout{publisher: c.Publisher, checkpoints: c.Store, results: p.results},
	}
	d := &deliverer{networks: c.Networks, rechecks: c.Store, sender: p.sender, repeats: seen, boot: boot, now: c.Now}
	for _, stage := range []struct {
		name, stream string
		from         message.Subscriber
		handle       message.NoPublishHandlerFunc
	}{
		{"match", jetstream.StreamEvents, c.Events, m.handle},
		{"push", jetstream.StreamPush, c.Push, d.handle},
		{"hook", jetstream.StreamHook, c.Hook, d.handle},
	} {
		h := router.AddConsumerHandler(stage.name, stage.stream+".>", stage.from, stage.handle)
		// The first is the outermost: a panic is an error for those outside of it.
		h.AddMiddleware(p.hold.before, observe(stage.name, c.Observer), errorPolicy(stage.name, c.Log), recoverer)
	}
	return p, nil
}

// Key is the ordering key of a message in any of the three streams; it is what the
// subscribers' gates go by.
func Key(m *message.Message) string { return m.Metadata.Get(metaKey) }

// SetKey puts the ordering key on a message.
func SetKey(m *message.Message, key string) { m.Metadata.Set(metaKey, key) }

// Run works until the context ends and the work in hand is finished or handed back.
func (p *Pipeline) Run(ctx context.Context) error {
	// The writer and the poller outlive the router: its handlers need them to finish.
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { p.results.Run(inner) })
	laterCtx, stopLater := context.WithCancel(ctx)
	wg.Go(func() { p.later.run(laterCtx) })

	defer context.AfterFunc(ctx, func() { close(p.hold.stopping) })()
	err := p.router.Run(ctx)
	stopLater()
	p.sender.wg.Wait()
	stop()
	wg.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("run the pipeline: %w", err)
	}
	return nil
}

// Paused reports that sending waits for room for results.
func (p *Pipeline) Paused() bool { return p.hold.holding.Load() }

// Running is closed once every stage has subscribed.
func (p *Pipeline) Running() <-chan struct{} { return p.router.Running() }
