package engine_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

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

// shared is the package's engine, with the table that [fill] makes. It is for tests that
// read: they leave nothing behind, hold no place for long, and kill nothing.
func shared(t *testing.T) *engine.Supervisor {
	t.Helper()
	s := clickhousetest.Shared(t).Supervisor
	table.Do(func() { fill(t, s) })
	return s
}

var table sync.Once

// start is for a test that needs an engine of its own. A start costs more than most tests.
func start(t *testing.T) *engine.Supervisor { return startOn(t, config(t)) }

// startOn waits until the engine answers.
func startOn(t *testing.T, cfg engine.Config) *engine.Supervisor {
	t.Helper()
	s, err := engine.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// client asks as one of the two users.
type client struct {
	t        *testing.T
	base     string
	user, pw string
}

func asAnalyst(t *testing.T, s *engine.Supervisor) client {
	return client{t, s.URL(), "analyst", password}
}

func asWriter(t *testing.T, s *engine.Supervisor) client {
	u, err := url.Parse(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	pw, _ := u.User.Password()
	return client{t, s.URL(), u.User.Username(), pw}
}

// answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
}

func (c client) do(method string, q url.Values, body string, header ...string) answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+"/?"+q.Encode(), strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.SetBasicAuth(c.user, c.pw)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{resp.StatusCode, string(b), resp.Header}
}

// ask posts a query.
func (c client) ask(query string, kv ...string) answer {
	c.t.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(kv); i += 2 {
		q.Set(kv[i], kv[i+1])
	}
	return c.do(http.MethodPost, q, query)
}

// must runs a query that has to work.
func (c client) must(query string, kv ...string) string {
	c.t.Helper()
	a := c.ask(query, kv...)
	if a.status != http.StatusOK {
		c.t.Fatalf("%s: status %d: %s", query, a.status, a.body)
	}
	return a.body
}

// try runs a query, and answers with nothing while there is no engine.
func (c client) try(query string) string {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.base+"/", strings.NewReader(query))
	if err != nil {
		c.t.Fatal(err)
	}
	r.SetBasicAuth(c.user, c.pw)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

// waitFor polls, with a bound.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute) // the machine may be busy with other things
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// endless is a query that runs until it is stopped, at the latest by its time limit.
const endless = "SELECT max(sipHash64(number)) FROM numbers(123456789012)"

// running counts the endless queries under way. What the engine is asked about them
// beforehand (EXPLAIN AST) has the same words in it.
func running(w client) int {
	w.t.Helper()
	got := w.must("SELECT count() FROM system.processes WHERE startsWith(query, 'SELECT max(sipHash64(number))')")
	n, err := strconv.Atoi(strings.TrimSpace(got))
	if err != nil {
		w.t.Fatal(err)
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
