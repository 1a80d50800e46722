package clickhousetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"chatbell/analytics/engine"
)

// shared is the engine that the tests of a package have in common. A start costs more
// than most tests; who needs an empty server, or kills it, starts one with [Start].
var shared struct {
	once   sync.Once
	engine *engine.Supervisor
	dir    string
	err    error
}

// Shared is the package's engine with a database that is the test's alone. The engine is
// started for the first test that asks and stopped by [Main]; the database is dropped with
// the test.
func Shared(t testing.TB) *Engine {
	t.Helper()
	shared.once.Do(func() { shared.err = startShared(t) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	e := &Engine{shared.engine, t, fmt.Sprintf("test_%d", databases.Add(1))}
	t.Cleanup(func() {
		if answer, err := e.ask(context.WithoutCancel(t.Context()), "DROP DATABASE IF EXISTS {db} SYNC"); err != nil {
			t.Errorf("drop %s: %v: %s", e.database, err, answer)
		}
	})
	return e
}

var databases atomic.Int64

func startShared(t testing.TB) (err error) {
	t.Helper()
	if shared.dir, err = os.MkdirTemp("", "chatbell-engine-"); err != nil {
		return fmt.Errorf("make the engine's folder: %w", err)
	}
	cfg := Config(t, shared.dir)
	// It outlives the test that asks first, whose output ends with that test.
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if shared.engine, err = engine.Start(context.WithoutCancel(t.Context()), cfg); err != nil {
		return err
	}
	return shared.engine.Ready(t.Context())
}

// closeShared ends the package's engine, if a test has asked for it.
func closeShared() error {
	if shared.dir == "" {
		return nil
	}
	var err error
	if shared.engine != nil {
		err = shared.engine.Close()
	}
	return errors.Join(err, os.RemoveAll(shared.dir))
}
