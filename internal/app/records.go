package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"chatbell"
	"chatbell/analytics"
	"chatbell/analytics/clickhouse"
	"chatbell/analytics/engine"
	"chatbell/internal/config"
	"chatbell/internal/keyring"
	"chatbell/internal/metrics"
	"chatbell/internal/recording"
	"chatbell/internal/unshown"
	"chatbell/pipeline/jetstream"
)

// records is where results are written down.
type records struct {
	engine     *engine.Supervisor // nil with an external ClickHouse
	clickhouse *clickhouse.Store
	recorder   *analytics.Recorder
}

// recordsOf is what they are made of.
type recordsOf struct {
	broker  *jetstream.Broker
	store   Store
	secrets *unshown.Secrets
	metrics *metrics.Registry
}

// openRecords starts the embedded engine, or takes the configured server, and makes the
// recorder. The recorder waits for the database; the server does not.
func openRecords(ctx context.Context, cfg *config.Config, opts *Options, parts recordsOf, open *closers) (*records, error) {
	out := new(records)
	database := clickhouse.Config{DSN: cfg.ClickHouse.Reveal(), Logger: opts.Log}
	var err error
	if cfg.EmbeddedClickHouse() {
		if out.engine, err = startEngine(ctx, cfg, opts, parts, open); err != nil {
			return nil, err
		}
		database.DSN = out.engine.DSN()
		database.Dial = out.engine.Dial
	}
	if out.clickhouse, err = clickhouse.Open(ctx, database); err != nil {
		return nil, fmt.Errorf("open ClickHouse (configuration key clickhouse): %w", err)
	}
	open.add(out.clickhouse.Close)
	if err := recording.MendCursor(ctx, parts.broker, parts.store, opts.Log); err != nil {
		return nil, err
	}
	results := recording.Log{Broker: parts.broker}
	out.recorder, err = analytics.New(analytics.Config{
		Log:      results,
		Cursors:  parts.store,
		Sink:     out.clickhouse,
		Logger:   opts.Log,
		Bad:      results.Bury,
		Observer: parts.metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("make the recorder: %w", err)
	}
	return out, nil
}

// engineWait is how long a start waits for the engine, so that who asks ClickHouse right
// after it has an answer.
const engineWait = 2 * time.Second

func startEngine(ctx context.Context, cfg *config.Config, opts *Options, of recordsOf, open *closers) (*engine.Supervisor, error) {
	library, err := engine.FindLibrary(cfg.ClickHouseEngine, cfg.Data)
	if err != nil {
		return nil, err
	}
	password, err := analystPassword(ctx, cfg, of)
	if err != nil {
		return nil, err
	}
	command := opts.EngineCommand
	if len(command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this executable: %w", err)
		}
		command = []string{self, "engine"}
	}
	supervisor, err := engine.Start(ctx, engine.Config{
		Library:               library,
		Dir:                   filepath.Join(cfg.Data, "clickhouse"),
		Listen:                cfg.ClickHouseListen,
		AnalystUser:           cfg.ClickHouseUser,
		AnalystPasswordSHA256: password,
		Command:               command,
		Logger:                opts.Log,
	})
	if err != nil {
		return nil, err
	}
	open.add(supervisor.Close)
	wait, cancel := context.WithTimeout(ctx, engineWait)
	defer cancel()
	if err := supervisor.Ready(wait); err != nil {
		opts.Log.Warn("ClickHouse does not answer yet; results wait", "cause", err)
	}
	return supervisor, nil
}

// metaAnalystPassword is where the hash of the generated password is kept.
const metaAnalystPassword = "clickhouse_password_sha256"

// analystPassword is the hash of the configured password, or of one that is made at the
// first start and shown once.
func analystPassword(ctx context.Context, cfg *config.Config, parts recordsOf) (string, error) {
	if !cfg.ClickHousePassword.IsZero() {
		return keyring.HashHex(cfg.ClickHousePassword.Reveal()), nil
	}
	kept, err := parts.store.Meta(ctx, metaAnalystPassword)
	if err == nil && kept != "" {
		return kept, nil
	}
	if err != nil && !errors.Is(err, chatbell.ErrNotFound) {
		return "", fmt.Errorf("read the password's hash: %w", err)
	}
	secret, err := parts.secrets.Make(unshownPassword, func() string { return keyring.NewSecret("") })
	if err != nil {
		return "", err
	}
	if err := parts.store.PutMeta(ctx, metaAnalystPassword, keyring.HashHex(secret)); err != nil {
		return "", fmt.Errorf("keep the password's hash: %w", err)
	}
	return keyring.HashHex(secret), nil
}
