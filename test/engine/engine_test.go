package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/analytics/engine"
)

// TestMain lets the test's binary be the engine's child, and the child's parent.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "parent" {
		fmt.Fprintln(os.Stderr, parent(os.Args[2]))
		os.Exit(1)
	}
	clickhousetest.Main(m)
}

const password = clickhousetest.Password

// config is a complete configuration on a folder of its own.
func config(t *testing.T) engine.Config {
	t.Helper()
	return clickhousetest.Config(t, t.TempDir())
}

// start starts an engine of the test's own.
func start(t *testing.T) *engine.Supervisor {
	t.Helper()
	return clickhousetest.StartOn(t, config(t))
}

// filled is an engine of the test's own with the table that [clickhousetest.Fill] makes.
func filled(t *testing.T) *engine.Supervisor {
	t.Helper()
	s := start(t)
	clickhousetest.Fill(t, s)
	return s
}

// The parent's life: it starts the engine, says where, and waits to be killed.
func parent(arg string) error {
	var cfg engine.Config
	if err := json.Unmarshal([]byte(arg), &cfg); err != nil {
		return err
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	s, err := engine.Start(context.Background(), cfg)
	if err != nil {
		return err
	}
	if err := s.Ready(context.Background()); err != nil {
		return err
	}
	fmt.Println(s.PID(), s.DSN())
	select {}
}

// endless is a query that runs until it is stopped, at the latest by its time limit.
const endless = "SELECT max(sipHash64(number)) FROM numbers(123456789012)"

// running counts the endless queries under way. What the engine is asked about them
// beforehand (EXPLAIN AST) has the same words in it.
func running(w clickhousetest.Client) int {
	w.T.Helper()
	got := w.Must("SELECT count() FROM system.processes WHERE startsWith(query, 'SELECT max(sipHash64(number))')")
	n, err := strconv.Atoi(strings.TrimSpace(got))
	if err != nil {
		w.T.Fatal(err)
	}
	return n
}

// askAndLeave asks as the analyst until ctx ends, and says whether an answer came.
func askAndLeave(ctx context.Context, s *engine.Supervisor, query string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/", strings.NewReader(query))
	if err != nil {
		return false
	}
	r.SetBasicAuth("analyst", password)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil
}

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}
