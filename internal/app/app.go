package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"chatbell/handlers/web"
	"chatbell/internal/condition"
	"chatbell/internal/config"
	"chatbell/internal/datadir"
	"chatbell/internal/keyring"
	"chatbell/internal/listen"
	"chatbell/internal/memory"
	"chatbell/internal/metrics"
	"chatbell/internal/recording"
	"chatbell/pipeline"
	"chatbell/pipeline/deadletter"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/schedule"
)

// Options are what is not configuration.
type Options struct {
	Version string
	Log     *slog.Logger
	// Notices gets what a person must see once: a key or a password that was made.
	Notices io.Writer
	// EngineCommand is the command line that starts the ClickHouse engine's process;
	// empty means this executable with the argument "engine".
	EngineCommand []string
	// Backlog bounds the events that wait to be matched; 0 means 1,000,000.
	Backlog uint64
	// ResultBytes bounds the results that wait for ClickHouse; 0 means 8 GiB.
	ResultBytes int64
	// DiskFree tells the free room of the data folder's disk; nil asks the system.
	DiskFree datadir.Free
	// SendTimeout bounds one try of a push or of a webhook; 0 leaves it to the providers
	// and the caller, 10 and 15 s.
	SendTimeout time.Duration
	// Surfaces are served besides chatbell's own: for a build that has some, and for tests.
	Surfaces []Surface
}

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Notices == nil {
		o.Notices = io.Discard
	}
}

// App is one chatbell server: its open parts.
type App struct {
	log      *slog.Logger
	version  string
	shutdown time.Duration
	doors    []*door
	broker   *jetstream.Broker
	disk     *datadir.Reserve
	pipeline *pipeline.Pipeline
	records  *records
	last     *recording.Last
	later    *schedule.Schedule
	// showSecrets shows what was made and not shown so far.
	showSecrets func(context.Context) error
	open        *closers
}

// closers close what was opened, last first.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

func (c *closers) close() error {
	var errs []error
	for _, closeOne := range slices.Backward(*c) {
		errs = append(errs, closeOne())
	}
	*c = nil
	return errors.Join(errs...)
}

// New opens all parts and binds the listeners. When it fails, what was opened is
// closed again, and the error says what to do.
func New(ctx context.Context, cfg *config.Config, opts Options) (*App, error) {
	opts.setDefaults()
	open := new(closers)
	a, err := build(ctx, cfg, &opts, open)
	if err != nil {
		return nil, errors.Join(err, open.close())
	}
	return a, nil
}

// build opens the parts, each with what it needs of those before it.
func build(ctx context.Context, cfg *config.Config, opts *Options, open *closers) (*App, error) {
	numbers := metrics.New(opts.Version)
	disk, secrets, err := openData(cfg, opts, open)
	if err != nil {
		return nil, err
	}
	limiter := listen.New(listen.Config{Logger: opts.Log})
	open.add(limiter.Close)
	doors, err := openDoors(ctx, append(surfaces(cfg), opts.Surfaces...), limiter, opts, open)
	if err != nil {
		return nil, err
	}
	newest := new(accepted)
	state, err := openStore(ctx, cfg, newest.sequence, opts.Log, open)
	if err != nil {
		return nil, err
	}
	broker, err := openBroker(ctx, cfg, opts, state, doors, open)
	if err != nil {
		return nil, err
	}
	taken, err := openIntake(ctx, cfg, opts, intakeOf{broker, disk, numbers}, open)
	if err != nil {
		return nil, err
	}
	newest.intake.Store(taken)
	rec, err := openRecords(ctx, cfg, opts, recordsOf{broker, state, secrets, numbers}, open)
	if err != nil {
		return nil, err
	}
	stages, err := openPipeline(ctx, cfg, opts, stagesOf{broker, taken, state, secrets, numbers}, open)
	if err != nil {
		return nil, err
	}
	health := &condition.Parts{
		Intake:   taken,
		Broker:   broker,
		Store:    state,
		Pipeline: stages,
		Recorder: rec.recorder,
		Engine:   rec.engine,
		Limiter:  limiter,
		Disk:     disk,
	}
	health.Register(numbers)
	later := schedule.New(schedule.Config{Store: state, Intake: taken, Log: opts.Log})
	kit := Kit{Config: cfg, Intake: taken, State: state, Topics: state, Schedule: later, Dead: deadletter.New(broker), Health: health, Metrics: numbers}
	if err := makeSurfaces(ctx, doors, opts, kit, state); err != nil {
		return nil, err
	}
	return &App{
		log:         opts.Log,
		version:     opts.Version,
		shutdown:    cfg.ShutdownTimeout,
		doors:       doors,
		broker:      broker,
		disk:        disk,
		pipeline:    stages,
		records:     rec,
		last:        &recording.Last{Broker: broker, Recorder: rec.recorder, Cursors: state, Log: opts.Log},
		later:       later,
		open:        open,
		showSecrets: func(ctx context.Context) error { return showSecrets(ctx, cfg, state, secrets, opts.Notices, opts.Log) },
	}, nil
}

// Addr is where the API listens.
func (a *App) Addr() string { return a.doors[0].front.Addr() }

// ListenerAddr is where the listener of a configuration key listens; empty if there is none.
func (a *App) ListenerAddr(key string) string {
	for _, one := range a.doors {
		if one.key == key {
			return one.front.Addr()
		}
	}
	return ""
}

// ClickHouseURL is where analysts ask the embedded engine; empty with an external one.
func (a *App) ClickHouseURL() string {
	if a.records.engine == nil {
		return ""
	}
	return a.records.engine.URL()
}

// Run works until the context ends, then drains: no new work is taken, work in hand
// is finished or handed back to the queue. It returns within shutdown_timeout of that,
// with an error that says what was left when some work was neither.
func (a *App) Run(ctx context.Context) (err error) {
	defer func() {
		err = errors.Join(err, a.open.close())
		a.log.Info("stopped", "well", err == nil)
	}()
	var deadline time.Time
	life := newLifecycle(ctx, func(cause error) {
		deadline = time.Now().Add(giveUp(a.shutdown))
		a.log.Info("stopping: no new work is taken, work in hand is finished or handed back", "cause", cause, "at_most", a.shutdown)
	})
	life.add("ready", a.welcome)
	for _, one := range a.doors {
		life.add("http "+one.key, func(ctx context.Context) error { return one.front.Run(ctx, patience(a.shutdown)) })
	}
	life.add("schedule", a.later.Run)
	life.add("pipeline", a.pipeline.Run)
	life.barrier(func() {
		ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
		defer cancel()
		a.last.Drain(ctx)
	})
	// The recorder outlives the pipeline, so that the last rows land.
	life.add("recorder", a.records.recorder.Run)
	life.add("purge", func(ctx context.Context) error { return pipeline.Upkeep(ctx, a.broker, a.log) })
	life.add("lease", a.holds)
	life.add("broker", func(ctx context.Context) error { return watchBroker(ctx, a.broker, a.disk) })
	life.add("memory", func(ctx context.Context) error { return memory.Watch(ctx, a.log) })
	return life.run()
}

// holds ends when another process has taken the broker over.
func (a *App) holds(ctx context.Context) error {
	select {
	case err := <-a.broker.Lost():
		return err
	case <-ctx.Done():
		return nil
	}
}

// welcome shows the surfaces when somebody listens to the stream of what they take in.
func (a *App) welcome(ctx context.Context) error {
	select {
	case <-a.pipeline.Running():
	case <-ctx.Done():
		return nil
	}
	for _, one := range a.doors {
		one.front.Show(one.handler)
	}
	a.log.Info("ready", "listen", a.Addr(), "clickhouse", a.ClickHouseURL(), "version", a.version)
	if err := a.showSecrets(ctx); err != nil && ctx.Err() == nil {
		a.log.Error("secrets were made at the first start and could not be shown", "error", err)
	}
	<-ctx.Done()
	return nil
}

// makeSurfaces makes what answers behind the doors.
func makeSurfaces(ctx context.Context, doors []*door, opts *Options, kit Kit, keys keyring.Store) error {
	ring, err := keyring.New(ctx, kit.Config, keys)
	if err != nil {
		return err
	}
	kit.Version = opts.Version
	kit.Common.Keys = ring
	kit.Common.Log = opts.Log
	kit.Common.Guesses = listen.NewThrottle(listen.ThrottleConfig{What: "API key", Logger: opts.Log})
	kit.Common.Observer = kit.Metrics
	kit.Common.Bodies = web.NewBodies(func() { kit.Metrics.OverLimit(metrics.LimitBodies) })
	for _, one := range doors {
		if err := one.make(kit); err != nil {
			return fmt.Errorf("listener %s: %w", one.key, err)
		}
	}
	return nil
}
