package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/deliver"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/plan"
	"chatbell/pipeline/plan/chat"
	"chatbell/pipeline/webhooks"
	"chatbell/pipeline/work"
)

// Store is everything that the stages keep.
type Store interface {
	chat.State
	plan.Checkpoints
	deliver.Rechecks
	deliver.Devices
	deliver.Waiting
}

// Config is what a pipeline is made of. All fields but the last four are required.
type Config struct {
	Publisher message.Publisher
	// Subscribe opens the subscriber of a stage's share, as [Consumer.Subscriber] says.
	Subscribe func(stage Consumer, share int) (message.Subscriber, error)
	Store     Store
	Networks  work.Networks
	// Results is the end of the stream of results, by which the ledger knows what is done.
	Results  ledger.Tail
	Room     Room
	Caller   deliver.Caller
	Observer Observer
	Log      *slog.Logger

	// Planners are kinds of requests besides chat events.
	Planners map[work.Kind]plan.Planner
	Retry    deliver.Retry
	// CloseTimeout bounds how long Close waits for work in hand. Default 30 s.
	CloseTimeout time.Duration
	Now          func() time.Time
}

func (c *Config) setDefaults() {
	if c.CloseTimeout <= 0 {
		c.CloseTimeout = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Retry.PushInitial == 0 {
		c.Retry = deliver.DefaultRetry()
	}
}

// Pipeline is the running stages.
type Pipeline struct {
	router     *message.Router
	results    *ledger.Writer
	dispatcher *deliver.Dispatcher
	hold       *hold
	grace      time.Duration // for what is under way when the process stops
	hands      inHand
}

// quieter makes the router's news our debugging: an operator reads what concerns
// events, not how handlers start.
var quieter = map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug}

// audiencePage is how many people are read, decided and written in one go: some
// 1,000 rows are a millisecond or two of SQLite and about 120 KiB of work, and as many
// as one webhook call names.
const audiencePage = webhooks.MaxTargets

// New wires the stages. Nothing runs yet.
func New(cfg Config) (*Pipeline, error) {
	cfg.setDefaults()
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: cfg.CloseTimeout}, watermill.NewSlogLoggerWithLevelMapping(cfg.Log, quieter))
	if err != nil {
		return nil, fmt.Errorf("make the router: %w", err)
	}
	instance := watermill.NewUUID()
	results := ledger.NewWriter(cfg.Publisher)
	report := deliver.NewReport(cfg.Log, cfg.Now)
	results.Finished = func(rows []chatbell.Delivery) {
		cfg.Observer.Finished(rows)
		report.Unreachable(rows)
	}
	done := ledger.New(cfg.Results, cfg.Now)
	holds := &hold{room: cfg.Room, log: cfg.Log, stopping: make(chan struct{})}
	eligibility := deliver.NewEligibility(cfg.Store, cfg.Now)
	dispatcher := deliver.NewDispatcher(deliver.Config{
		Networks:    cfg.Networks,
		Devices:     cfg.Store,
		Eligibility: eligibility,
		Caller:      cfg.Caller,
		Waiting:     cfg.Store,
		Ledger:      done,
		Results:     results,
		Retry:       cfg.Retry,
		Observer:    cfg.Observer,
		Report:      report,
		Paused:      func() bool { return holds.full(context.Background()) }, // for work that needs no message
		Instance:    instance,
		Log:         cfg.Log,
		Now:         cfg.Now,
	})
	planning := plan.NewStage(plan.StageConfig{
		Planners:    cfg.planners(),
		Publisher:   cfg.Publisher,
		Checkpoints: cfg.Store,
		Results:     results,
		Ledger:      done,
		Dispatcher:  dispatcher,
		Observer:    cfg.Observer,
		Done:        settleRequests(cfg.Observer, cfg.Log),
		Degraded:    degraded,
	})
	delivery := deliver.NewStage(deliver.StageConfig{
		Networks:    cfg.Networks,
		Eligibility: eligibility,
		Dispatcher:  dispatcher,
		Ledger:      done,
		Instance:    instance,
	})
	made := &Pipeline{
		router:     router,
		results:    results,
		dispatcher: dispatcher,
		hold:       holds,
		grace:      cfg.CloseTimeout,
	}
	rooms := &handlers{planning: planning, delivery: delivery}
	for _, stage := range stages {
		if err := made.add(cfg, stage, rooms); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// planners are the kinds of requests that this pipeline works off.
func (c *Config) planners() map[work.Kind]plan.Planner {
	all := map[work.Kind]plan.Planner{
		work.KindEvent: chat.New(chat.Config{
			State:     c.Store,
			Networks:  c.Networks,
			PageLimit: audiencePage,
			Expire:    c.Retry.PushExpire,
			Now:       c.Now,
		}),
	}
	maps.Copy(all, c.Planners)
	return all
}

// add gives the router a stage: a handler for each share.
func (p *Pipeline) add(cfg Config, stage Consumer, rooms *handlers) error {
	handle := func(msg *message.Message) error { return stage.handle(rooms, msg) }
	for share := range stage.Shares {
		from, err := cfg.Subscribe(stage, share)
		if err != nil {
			return fmt.Errorf("subscribe share %d of the stage %s: %w", share, stage.Name, err)
		}
		h := p.router.AddConsumerHandler(stage.Durable(share), stage.Topic(share), from, handle)
		// The first is the outermost: a panic is an error for those outside of it.
		h.AddMiddleware(p.hands.count, p.hold.before)
		if stage.Batch.Messages == 0 {
			h.AddMiddleware(observe(stage.Stream, cfg.Observer))
		}
		h.AddMiddleware(errorPolicy(stage.Name, cfg.Log), recoverer)
	}
	return nil
}

// inHand is the number of messages that handlers have.
type inHand struct{ atomic.Int64 }

func (n *inHand) count(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		n.Add(1)
		defer n.Add(-1)
		return next(msg)
	}
}

// ErrLeft says that some work was neither finished nor handed back when the time to
// stop was over. The broker hands it out again, and what was under way may be sent twice.
var ErrLeft = errors.New("some work was neither finished nor handed back in time; the next start does it again, and may send what was under way a second time")

// Run works until the context ends and the work in hand is finished or handed back. An
// [ErrLeft] says that some of it was not.
func (p *Pipeline) Run(ctx context.Context) error {
	// The writer outlives the rest: what is under way needs it to finish.
	inner, stopWriter := context.WithCancel(context.WithoutCancel(ctx))
	var writer sync.WaitGroup
	writer.Go(func() { p.results.Run(inner) })
	draining, stopDraining := context.WithCancel(ctx)
	var backlogs sync.WaitGroup
	backlogs.Go(func() { p.dispatcher.Run(draining) })

	defer context.AfterFunc(ctx, func() { close(p.hold.stopping) })()
	err := p.router.Run(ctx)
	stopDraining()
	backlogs.Wait()
	p.finish()
	stopWriter()
	writer.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("run the pipeline: %w", err)
	}
	if n := p.hands.Load(); n > 0 {
		return fmt.Errorf("%w (messages: %d)", ErrLeft, n)
	}
	return nil
}

// finish lets the tries end that no handler waits for.
func (p *Pipeline) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), p.grace)
	defer cancel()
	p.dispatcher.Finish(ctx)
}

// Paused reports that sending waits for room for results.
func (p *Pipeline) Paused() bool { return p.hold.full(context.Background()) }

// Running is closed once every stage has subscribed.
func (p *Pipeline) Running() <-chan struct{} { return p.router.Running() }
