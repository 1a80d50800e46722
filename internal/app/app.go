package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/analytics"
	"chatbell/analytics/clickhouse"
	"chatbell/analytics/engine"
	"chatbell/handlers/native"
	"chatbell/handlers/status"
	"chatbell/handlers/web"
	"chatbell/internal/config"
	"chatbell/internal/front"
	"chatbell/internal/listen"
	"chatbell/internal/metrics"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline"
	"chatbell/pipeline/intake"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/webhooks"
	"chatbell/pipeline/work"
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
	// SendTimeout bounds one try of a push or of a webhook; 0 leaves it to the providers
	// and the caller, 10 and 15 s.
	SendTimeout time.Duration
}

// App is one chatbell server.
type App struct {
	cfg  *config.Config
	opts Options
	log  *slog.Logger

	store      *sqlite.Store
	broker     *jetstream.Broker
	engine     *engine.Supervisor // nil with an external ClickHouse
	clickhouse *clickhouse.Store
	recorder   *analytics.Recorder
	pipeline   *pipeline.Pipeline
	metrics    *metrics.Registry
	intake     *intake.Intake
	front      *front.Front
	api        http.Handler // shown by Run

	rowLag rowLag // guarded by the lock of the metrics' part that reads it

	unshown *unshown // secrets that were made and not shown

	closers []func() error // in the order of opening
}

// New opens all parts and binds the listener. When it fails, what was opened is
// closed again, and the error says what to do.
func New(ctx context.Context, cfg *config.Config, opts Options) (_ *App, err error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Notices == nil {
		opts.Notices = io.Discard
	}
	a := &App{cfg: cfg, opts: opts, log: opts.Log, metrics: metrics.New(opts.Version)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	for _, step := range []func(context.Context) error{
		a.openData, a.listen, a.openBroker, a.openStore, a.openClickHouse, a.openPipeline, a.openAPI,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	a.registerGauges()
	return a, nil
}

// Addr is where the API listens.
func (a *App) Addr() string { return a.front.Addr() }

// ClickHouseURL is where analysts ask the embedded engine; empty with an external one.
func (a *App) ClickHouseURL() string {
	if a.engine == nil {
		return ""
	}
	return a.engine.URL()
}

// own registers what close has to close.
func (a *App) own(closer func() error) { a.closers = append(a.closers, closer) }

// close closes what was opened, last first.
func (a *App) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

func (a *App) openData(context.Context) (err error) {
	if err := os.MkdirAll(a.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder (configuration key data): %w", err)
	}
	a.privateData()
	a.unshown, err = loadUnshown(a.cfg.Data)
	return err
}

func (a *App) listen(ctx context.Context) (err error) {
	a.front, err = front.Open(ctx, front.Config{
		Address:  a.cfg.Listen,
		Key:      "listen",
		Flag:     "(--listen)",
		Starting: status.Starting(a.opts.Version, ""),
		Log:      a.log,
	})
	if err != nil {
		return err
	}
	a.own(a.front.Close)
	a.log.Info("starting", "listen", a.Addr(), "version", a.opts.Version)
	return nil
}

func (a *App) openBroker(ctx context.Context) (err error) {
	storage := int64(a.cfg.BrokerStorage)
	streams := pipeline.Streams(storage)
	for i := range streams {
		if streams[i].Name == work.StreamResults && a.opts.ResultBytes > 0 {
			streams[i].MaxBytes = a.opts.ResultBytes
		}
	}
	a.broker, err = jetstream.Open(ctx, jetstream.Config{
		Dir: filepath.Join(a.cfg.Data, "jetstream"), URLs: a.cfg.BrokerURLs(), DedupWindow: a.cfg.DedupWindow, Streams: streams, DeadLetterBytes: pipeline.DeadLetterBytes(storage),
		Waiting: func(error) { a.front.Show(status.Starting(a.opts.Version, "the broker")) }, Logger: a.log,
	})
	if errors.Is(err, jetstream.ErrHoldsMore) {
		return fmt.Errorf("open the broker: %w; raise broker_storage (now %s), at least until what waits is handled", err, a.cfg.BrokerStorage)
	}
	if err != nil {
		return fmt.Errorf("open the broker: %w", err)
	}
	a.own(a.broker.Close)
	a.intake, err = intake.New(ctx, intake.Config{
		Broker:   a.broker,
		Consumer: pipeline.Consumers()[0].Name,
		Observer: a.metrics,
		Limit:    a.opts.Backlog,
	})
	return err
}

func (a *App) openStore(ctx context.Context) (err error) {
	a.store, err = sqlite.Open(ctx, sqlite.Config{
		Path: filepath.Join(a.cfg.Data, "chatbell.db"), Logger: a.log, Sequence: a.intake.Sequence,
	})
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	a.own(a.store.Close)
	return nil
}

func (a *App) openPipeline(ctx context.Context) error {
	roots, err := rootCAs(a.cfg.CAFiles)
	if err != nil {
		return err
	}
	stored, err := a.storedNetworks(ctx)
	if err != nil {
		return err
	}
	networks, open, err := newRegistry(a.cfg, stored, roots, a.opts.SendTimeout)
	for _, c := range open {
		a.own(c.Close)
	}
	if err != nil {
		return err
	}
	caller, err := webhooks.New(webhooks.Config{AllowPrivate: a.cfg.AllowPrivateNetworks, RootCAs: roots, Version: a.opts.Version, Timeout: a.opts.SendTimeout})
	if err != nil {
		return fmt.Errorf("make the webhook client: %w", err)
	}
	a.own(caller.Close)
	a.pipeline, err = pipeline.New(pipeline.Config{
		Publisher: a.broker.Publisher(), Subscribe: a.subscribe,
		Store: a.store, Networks: networks, Recorded: recorded{a}, Room: a.intake, Caller: caller, Observer: a.metrics, Log: a.log,
		Retry: a.cfg.PipelineRetry(), CloseTimeout: giveUp(a.cfg.ShutdownTimeout),
	})
	return err
}

// storedNetworks are the networks that no file names. On a start without any
// network the network "default" is made; its key is shown once the start has succeeded.
func (a *App) storedNetworks(ctx context.Context) ([]chatbell.NetworkID, error) {
	rows, err := a.store.Networks(ctx)
	if err != nil {
		return nil, fmt.Errorf("read networks: %w", err)
	}
	if len(rows) == 0 && len(a.cfg.Networks) == 0 {
		if err := a.makeDefaultNetwork(ctx); err != nil {
			return nil, err
		}
		return []chatbell.NetworkID{defaultNetwork}, nil
	}
	ids := make([]chatbell.NetworkID, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	return ids, nil
}

func (a *App) makeDefaultNetwork(ctx context.Context) error {
	secret, err := a.unshown.make(unshownKey, NewKey)
	if err != nil {
		return err
	}
	key := chatbell.Key{ID: "default", Network: defaultNetwork, Scope: chatbell.ScopeServer, Hash: hash(secret)}
	if err := a.store.CreateNetwork(ctx, defaultNetwork, key); err != nil {
		return fmt.Errorf("make the network default: %w", err)
	}
	return nil
}

// subscribe opens the subscriber of a stage.
func (a *App) subscribe(c pipeline.Consumer) (message.Subscriber, error) {
	return a.broker.Subscriber(jetstream.SubscriberConfig{Durable: c.Name, InFlight: c.InFlight, Key: work.Key, CloseTimeout: a.grace()})
}

func (a *App) openAPI(ctx context.Context) error {
	keys, err := newKeyring(ctx, a.cfg, a.store)
	if err != nil {
		return err
	}
	common := web.Common{
		Keys:     keys,
		Log:      a.log,
		Guesses:  listen.NewThrottle(listen.ThrottleConfig{What: "API key", Logger: a.log}),
		Observer: a.metrics,
	}
	api, err := native.New(native.Config{
		Common:   common,
		Intake:   a.intake,
		State:    a.store,
		Version:  a.opts.Version,
		Rejected: func(events int) { a.metrics.Event(metrics.EventRejected, events) },
		Beside:   []web.Part{status.Part()},
	})
	if err != nil {
		return fmt.Errorf("make the API: %w", err)
	}
	asked, err := status.New(status.Config{Common: common, Health: health{a}, Metrics: a.metrics.Handler(), Version: a.opts.Version})
	if err != nil {
		return fmt.Errorf("make the status surface: %w", err)
	}
	a.api = front.Mux(front.Mount{Handler: api}, front.Mount{Paths: status.Paths, Handler: asked})
	return nil
}
