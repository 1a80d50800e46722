package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/analytics"
	"chatbell/handlers/centrifugo"
	"chatbell/handlers/native"
	"chatbell/handlers/status"
	"chatbell/internal/condition"
	"chatbell/internal/config"
	"chatbell/internal/datadir"
	"chatbell/internal/front"
	"chatbell/internal/keyring"
	"chatbell/internal/listen"
	"chatbell/internal/metrics"
	"chatbell/internal/networks"
	"chatbell/internal/store"
	"chatbell/internal/store/sqlite"
	"chatbell/internal/unshown"
	"chatbell/pipeline"
	"chatbell/pipeline/intake"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/plan"
	"chatbell/pipeline/plan/push"
	"chatbell/pipeline/schedule"
	"chatbell/pipeline/webhooks"
	"chatbell/pipeline/work"
)

// Store is what is kept: all that its users need, in one.
type Store interface {
	native.State
	centrifugo.State
	schedule.Store
	pipeline.Store
	analytics.Cursors
	keyring.Store
	condition.Waiting
	ownNetworks
	networks.Endpoints
	notes
	NewestSequence(ctx context.Context) (uint64, error)
	Close() error
}

// ownNetworks keeps the networks that were made by calls.
type ownNetworks interface {
	Networks(ctx context.Context) ([]store.NetworkRow, error)
	CreateNetwork(ctx context.Context, id chatbell.NetworkID, first chatbell.Key) error
}

// notes keeps what the server has to remember of itself.
type notes interface {
	Meta(ctx context.Context, name string) (string, error)
	PutMeta(ctx context.Context, name, value string) error
}

// openData takes the data folder for this process, with the guard of its disk and the secrets
// in it that were not shown so far.
func openData(cfg *config.Config, opts *Options, open *closers) (*datadir.Reserve, *unshown.Secrets, error) {
	release, err := datadir.Open(cfg.Data, opts.Log)
	if err != nil {
		return nil, nil, err
	}
	open.add(release)
	secrets, err := unshown.Load(cfg.Data, howToReplace)
	return datadir.NewReserve(cfg.Data, opts.DiskFree, opts.Log), secrets, err
}

// openDoors binds the listeners of the surfaces, in their order, and answers that the
// server is starting.
func openDoors(ctx context.Context, all []Surface, limiter *listen.Limiter, opts *Options, open *closers) ([]*door, error) {
	var doors []*door
	for _, surface := range all {
		i := slices.IndexFunc(doors, func(d *door) bool { return d.key == surface.Listener.Key })
		if i >= 0 {
			doors[i].surfaces = append(doors[i].surfaces, surface)
			continue
		}
		opened, err := front.Open(ctx, front.Config{
			Address:   surface.Listener.Address,
			Key:       surface.Listener.Key,
			Flag:      surface.Listener.Flag,
			TLS:       surface.Listener.TLS,
			Configure: surface.Listener.Configure,
			Limiter:   limiter,
			Starting:  status.Starting(opts.Version, ""),
			Log:       opts.Log,
		})
		if err != nil {
			return nil, err
		}
		open.add(opened.Close)
		doors = append(doors, &door{key: surface.Listener.Key, front: opened, surfaces: []Surface{surface}})
		opts.Log.Info("starting", surface.Listener.Key, opened.Addr(), "version", opts.Version)
	}
	return doors, nil
}

// openBroker opens the broker. Where the stream of events is made anew, its sequences go
// on behind the newest that the store has seen, which would ignore them otherwise.
func openBroker(ctx context.Context, cfg *config.Config, opts *Options, state Store, doors []*door, open *closers) (*jetstream.Broker, error) {
	newest, err := state.NewestSequence(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the broker: %w", err)
	}
	self, err := holder(ctx, cfg, state)
	if err != nil {
		return nil, fmt.Errorf("open the broker: %w", err)
	}
	storage := int64(cfg.BrokerStorage)
	streams := pipeline.Streams(storage)
	for i := range streams {
		switch {
		case streams[i].Name == work.StreamEvents:
			streams[i].FirstSequence = newest + 1
		case streams[i].Name == work.StreamResults && opts.ResultBytes > 0:
			streams[i].MaxBytes = opts.ResultBytes
		}
	}
	waiting := func(error) {
		for _, one := range doors {
			one.front.Show(status.Starting(opts.Version, "the broker"))
		}
	}
	broker, err := jetstream.Open(ctx, jetstream.Config{
		Dir:             filepath.Join(cfg.Data, "jetstream"),
		URLs:            cfg.BrokerURLs(),
		Replicas:        int(cfg.BrokerReplicas),
		DedupWindow:     cfg.DedupWindow,
		Streams:         streams,
		DeadLetterBytes: pipeline.DeadLetterBytes(storage),
		Waiting:         waiting,
		Holder:          self,
		Buried: func(subject string, sequence uint64, reason string) {
			opts.Log.Error("a message was given up and is among the dead letters; when its cause is mended, replay it: \"chatbell dead-letters list\" tells its id",
				"subject", subject, "sequence", sequence, "reason", reason)
		},
		Logger: opts.Log,
	})
	if errors.Is(err, jetstream.ErrHoldsMore) {
		return nil, fmt.Errorf("open the broker: %w; raise broker_storage (now %s), at least until what waits is handled", err, cfg.BrokerStorage)
	}
	if err != nil {
		return nil, fmt.Errorf("open the broker: %w", err)
	}
	open.add(broker.Close)
	if err := lift(ctx, broker, newest, opts.Log); err != nil {
		return nil, fmt.Errorf("open the broker: %w", err)
	}
	return broker, nil
}

// lift brings a stream of events that is older than the store behind it: it was restored
// without the store, or has lost its end. The store would ignore what changes channels and
// people until the stream has caught up.
func lift(ctx context.Context, broker *jetstream.Broker, newest uint64, log *slog.Logger) error {
	last, err := broker.LastSequence(ctx, work.StreamEvents)
	if err != nil || last >= newest {
		return err
	}
	err = broker.Lift(ctx, work.StreamEvents, newest, pipeline.Consumers()[0].Durables()...)
	if errors.Is(err, jetstream.ErrTooFarBehind) {
		return fmt.Errorf("the stream %s is older than the store, which would ignore its events; restore both from the same time: %w", work.StreamEvents, err)
	}
	if err != nil {
		return err
	}
	log.Warn("the stream of events was older than the store, and goes on behind it now: was one of them restored, or the end of the stream lost? Events that came in between may be missing",
		"stream", work.StreamEvents, "ended", last, "store", newest)
	return nil
}

// metaInstallation is where the identity of this data is kept, which is random.
const metaInstallation = "installation"

// holder is what this process tells others that want its broker.
func holder(ctx context.Context, cfg *config.Config, kept notes) (jetstream.Holder, error) {
	id, err := kept.Meta(ctx, metaInstallation)
	if errors.Is(err, chatbell.ErrNotFound) || err == nil && id == "" {
		id = rand.Text()
		err = kept.PutMeta(ctx, metaInstallation, id)
	}
	if err != nil {
		return jetstream.Holder{}, fmt.Errorf("identity of the data: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "a host without a name"
	}
	data, err := filepath.Abs(cfg.Data)
	if err != nil {
		data = cfg.Data
	}
	return jetstream.Holder{Installation: id, Place: host + ":" + data, PID: os.Getpid()}, nil
}

// intakeOf is what the intake is made of.
type intakeOf struct {
	broker  *jetstream.Broker
	disk    *datadir.Reserve
	metrics *metrics.Registry
}

func openIntake(ctx context.Context, cfg *config.Config, opts *Options, parts intakeOf, open *closers) (*intake.Intake, error) {
	in, err := intake.New(ctx, intake.Config{
		Broker:    parts.broker,
		Consumers: pipeline.Consumers()[0].Durables(),
		Observer:  parts.metrics,
		Disk:      parts.disk,

		Limit: opts.Backlog,
		Log:   opts.Log,
		Quotas: func(id chatbell.NetworkID) intake.Quota {
			quota := cfg.QuotaOf(id)
			return intake.Quota{EventsPerSecond: int64(quota.EventsPerSecond), BytesPerSecond: int64(quota.BytesPerSecond)}
		},
	})
	if err != nil {
		return nil, err
	}
	open.add(in.Close)
	return in, nil
}

// accepted is the sequence of the newest event that was accepted, for the store, which is
// opened before the intake that knows it: 0 until then.
type accepted struct{ intake atomic.Pointer[intake.Intake] }

func (a *accepted) sequence() uint64 {
	if taken := a.intake.Load(); taken != nil {
		return taken.Sequence()
	}
	return 0
}

func openStore(ctx context.Context, cfg *config.Config, sequence func() uint64, log *slog.Logger, open *closers) (Store, error) {
	opened, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(cfg.Data, "chatbell.db"), Logger: log, Sequence: sequence})
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	open.add(opened.Close)
	return opened, nil
}

// devicesPage is how many devices of a push are read, decided and written in one go: as
// many as people of an event.
const devicesPage = webhooks.MaxTargets

// planners are the kinds of requests besides chat events.
func planners(cfg *config.Config, state push.State, all work.Networks) map[work.Kind]plan.Planner {
	return map[work.Kind]plan.Planner{
		push.Kind: push.New(push.Config{
			State:     state,
			Networks:  all,
			PageLimit: devicesPage,
			Expire:    cfg.PipelineRetry().PushExpire,
			Now:       time.Now,
		}),
	}
}

// stagesOf is what the pipeline is made of.
type stagesOf struct {
	broker  *jetstream.Broker
	intake  *intake.Intake
	store   Store
	secrets *unshown.Secrets
	metrics *metrics.Registry
}

func openPipeline(ctx context.Context, cfg *config.Config, opts *Options, parts stagesOf, open *closers) (*pipeline.Pipeline, error) {
	roots, err := networks.RootCAs(cfg.CAFiles)
	if err != nil {
		return nil, err
	}
	stored, err := storedNetworks(ctx, cfg, parts.store, parts.secrets)
	if err != nil {
		return nil, err
	}
	all, opened, err := networks.New(cfg, stored, roots, opts.SendTimeout)
	for _, c := range opened {
		open.add(c.Close)
	}
	if err == nil {
		err = all.EnableChanged(ctx, parts.store)
	}
	if err != nil {
		return nil, err
	}
	caller, err := webhooks.New(webhooks.Config{
		AllowPrivate: cfg.AllowPrivateNetworks,
		RootCAs:      roots,
		Version:      opts.Version,
		Timeout:      opts.SendTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("make the webhook client: %w", err)
	}
	open.add(caller.Close)
	subscribe := func(c pipeline.Consumer, share int) (message.Subscriber, error) {
		how := c.Subscriber(share)
		how.CloseTimeout = patience(cfg.ShutdownTimeout)
		return parts.broker.Subscriber(how)
	}
	return pipeline.New(pipeline.Config{
		Publisher:    parts.broker.Publisher(),
		Subscribe:    subscribe,
		Store:        parts.store,
		Networks:     all,
		Results:      parts.broker.Tail(work.StreamResults),
		Room:         parts.intake,
		Caller:       caller,
		Planners:     planners(cfg, parts.store, all),
		Observer:     parts.metrics,
		Log:          opts.Log,
		Retry:        cfg.PipelineRetry(),
		CloseTimeout: giveUp(cfg.ShutdownTimeout),
	})
}
