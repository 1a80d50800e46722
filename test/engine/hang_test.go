package engine_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/analytics/engine"
	"chatbell/internal/polltest"
)

// heard is a log that a test reads.
type heard struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.String()
}

// listenTo is a configuration whose log can be read.
func listenTo(cfg engine.Config) (engine.Config, *heard) {
	h := &heard{}
	cfg.Logger = slog.New(slog.NewTextHandler(h, nil))
	return cfg, h
}

// another waits for another child than old, and until it answers.
func another(t *testing.T, s *engine.Supervisor, old int) {
	t.Helper()
	polltest.Until(t, "another child", func() bool { return s.PID() != 0 && s.PID() != old })
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A child that hangs is ended by force and started again, with its data.
func TestHangingChildIsStartedAgain(t *testing.T) {
	t.Parallel()
	cfg, log := listenTo(config(t))
	cfg.Heartbeat = 200 * time.Millisecond
	s := clickhousetest.StartOn(t, cfg)
	clickhousetest.AsWriter(t, s).Must("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	clickhousetest.AsWriter(t, s).Must("INSERT INTO t SELECT number FROM numbers(1000)")
	old := s.PID()
	if err := syscall.Kill(old, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	another(t, s, old)
	if got := clickhousetest.AsAnalyst(t, s).Must("SELECT count() FROM t"); got != "1000\n" {
		t.Errorf("rows: %s", got)
	}
	if !strings.Contains(log.String(), "hangs") {
		t.Errorf("nobody is told: %s", log)
	}
}

// A child that hangs before it has said anything does not hold up who starts it.
func TestStartDoesNotWaitForAHangingChild(t *testing.T) {
	t.Parallel()
	cfg, _ := listenTo(config(t))
	cfg.Heartbeat = 100 * time.Millisecond
	// A shell that stops itself in place of the engine; the next one is the engine.
	marker := filepath.Join(t.TempDir(), "stopped")
	cfg.Command = append([]string{"/bin/sh", "-c", `if [ ! -e "$0" ]; then : > "$0"; kill -STOP $$; fi; exec "$@"`, marker}, cfg.Command...)
	s := clickhousetest.StartOn(t, cfg)
	if _, err := os.Stat(marker); err != nil {
		t.Fatal(err)
	}
	if got := clickhousetest.AsAnalyst(t, s).Must("SELECT 1"); got != "1\n" {
		t.Errorf("the engine answers %q", got)
	}
}

// uncancellable works on its one block of rows for minutes, and looks at nothing meanwhile.
const uncancellable = "SELECT sum(editDistance(repeat('a', 30000), concat(repeat('b', 30000), toString(number)))) FROM numbers(100)"

// What goes on although its asker left, and cannot be cancelled, is ended with its
// process; everybody else goes on.
func TestWhatCannotBeCancelledIsEnded(t *testing.T) {
	t.Parallel()
	cfg, log := listenTo(config(t))
	cfg.Overdue = time.Second
	s := clickhousetest.StartOn(t, cfg)
	clickhousetest.AsWriter(t, s).Must("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	clickhousetest.AsWriter(t, s).Must("INSERT INTO t VALUES (7)")
	old := s.PID()
	// A kill that comes before the function is called ends the query; then it is asked
	// again.
	for s.PID() == old {
		leaveWhenItRuns(t, s, old)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := clickhousetest.AsAnalyst(t, s).Must("SELECT a FROM t"); got != "7\n" {
		t.Errorf("rows: %s", got)
	}
	if !strings.Contains(log.String(), "cannot be cancelled") {
		t.Errorf("nobody is told why: %s", log)
	}
}

// leaveWhenItRuns asks for what cannot be cancelled, leaves, and returns when the query
// is gone, with or without its process.
func leaveWhenItRuns(t *testing.T, s *engine.Supervisor, pid int) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/", strings.NewReader(uncancellable))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("analyst", password)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer leave()
	wg.Go(func() {
		if resp, err := http.DefaultClient.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	})
	processes := func(and, want string) func() bool {
		return func() bool {
			if s.PID() != pid {
				return true
			}
			got := clickhousetest.AsWriter(t, s).Try("SELECT count() FROM system.processes WHERE query LIKE 'SELECT sum(editDistance%'" + and)
			return got == want+"\n"
		}
	}
	// The rows are read, so that nothing is left but the function.
	polltest.Until(t, "the query", processes(" AND read_rows > 0", "1"))
	leave()
	polltest.Until(t, "the end of the query", processes("", "0"))
}
