// Package apptest runs chatbell whole for a test: a sandbox plays the providers and the
// customers' endpoints, HTTP is the only way in, and ClickHouse is asked as an analyst
// asks. Mostly the server runs in the test's own process, on a database of its own in
// the package's engine; a test that kills it, or is about the engine's life, gives it a
// process and an engine of its own.
//
// No address is chosen beforehand: whatever listens takes a free port and tells it, so
// that any number of worlds live side by side.
package apptest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/internal/app"
	"chatbell/internal/polltest"
	"chatbell/internal/sandbox"
)

// Key is a key that is long enough, for the network that most tests have.
const Key = "acme-backend-key-0123456789"

// Config says what a world is made of.
type Config struct {
	Sandbox  sandbox.Config
	Networks []sandbox.Network
	// YAML are further lines of the configuration.
	YAML string
	// Options are those of a server in the test's process.
	Options app.Options
	// Process gives the server a process and a ClickHouse engine of its own. The
	// package's TestMain calls [Main].
	Process bool
	// Env are further variables of that process, such as [FilesVariable].
	Env []string
}

// World is a sandbox and a server that starts and stops.
type World struct {
	T testing.TB
	// Dir holds the configuration and, in data, what the server keeps.
	Dir string
	Box *sandbox.Server
	// Key is the one that calls use.
	Key string

	cfg    Config
	client *http.Client
	run    running // nil while it does not run
	base   *clickHouse
}

// running is a server that was started.
type running interface {
	// addresses are the API's and, if it has an engine of its own, that one's.
	addresses() (api, clickhouse string)
	// stop asks it to drain.
	stop() error
	// kill ends it as it is.
	kill()
	// ended tells of its end, once.
	ended() <-chan error
}

// New makes a world whose server does not run yet. It ends with the test.
func New(t testing.TB, cfg Config) *World {
	t.Helper()
	w := &World{T: t, Dir: t.TempDir(), Key: Key, cfg: cfg, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	t.Cleanup(w.client.CloseIdleConnections)
	box := cfg.Sandbox
	box.Dir = filepath.Join(w.Dir, "sandbox")
	var err error
	if w.Box, err = sandbox.Start(t.Context(), box); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Box.Close(); err != nil {
			t.Error(err)
		}
	})
	var clickhouse string
	if cfg.Process {
		w.base = &clickHouse{user: analyst, password: password}
		clickhouse = fmt.Sprintf("clickhouse_listen: 127.0.0.1:0\nclickhouse_password: %s\nclickhouse_engine: %s\n", password, clickhousetest.Config(t, w.Dir).Library)
	} else {
		w.base = sharedClickHouse(t)
		clickhouse = fmt.Sprintf("clickhouse: %s\n", w.base.dsn())
	}
	creds := w.Box.Credentials()
	w.Configure(fmt.Sprintf("data: %s/data\nlisten: 127.0.0.1:0\n%s%s\n%s", w.Dir, clickhouse, cfg.YAML, creds.YAML(cfg.Networks...)))
	return w
}

// Start makes a world and starts its server.
func Start(t testing.TB, cfg Config) *World {
	t.Helper()
	w := New(t, cfg)
	w.Start()
	return w
}

// File is the configuration's.
func (w *World) File() string { return filepath.Join(w.Dir, "chatbell.yaml") }

// Configure replaces the configuration; the next start reads it.
func (w *World) Configure(text string) {
	w.T.Helper()
	if err := os.WriteFile(w.File(), []byte(text), 0o600); err != nil {
		w.T.Fatal(err)
	}
}

// Configuration is the text of the configuration.
func (w *World) Configuration() string {
	w.T.Helper()
	data, err := os.ReadFile(w.File())
	if err != nil {
		w.T.Fatal(err)
	}
	return string(data)
}

// Start starts the server, on what the one before it left, and waits until it takes
// events.
func (w *World) Start() {
	w.T.Helper()
	if w.run != nil {
		w.T.Fatal("the server runs already")
	}
	var err error
	if w.cfg.Process {
		w.run, err = startProcess(w.T, w.File(), w.cfg.Env)
	} else {
		w.run, err = startHere(w.T, w.File(), w.cfg.Options)
	}
	if err != nil {
		w.T.Fatalf("start the server: %v", err)
	}
	run := w.run
	w.T.Cleanup(func() { // a test that failed in the middle
		if w.run == run {
			w.run.kill()
			<-w.run.ended()
		}
	})
	if _, clickhouse := run.addresses(); clickhouse != "" {
		w.base.addr = clickhouse
	}
	w.Eventually("ready", func() bool {
		select {
		case err := <-run.ended():
			w.run = nil
			w.T.Fatalf("the server ended: %v", err)
		default:
		}
		status, _, err := w.Try(http.MethodGet, "/readyz", nil)
		return err == nil && status == http.StatusOK
	})
}

// Stop drains the server and waits for its end.
func (w *World) Stop() {
	w.T.Helper()
	run := w.run
	w.run = nil
	if err := run.stop(); err != nil {
		w.T.Fatal(err)
	}
	select {
	case err := <-run.ended():
		if err != nil {
			w.T.Fatalf("the server did not drain: %v", err)
		}
	case <-time.After(polltest.Patience):
		run.kill()
		w.T.Fatal("the server did not stop")
	}
}

// Kill ends the server's process as kill -9 does.
func (w *World) Kill() {
	w.T.Helper()
	if !w.cfg.Process {
		w.T.Fatal("only a process can be killed")
	}
	run := w.run
	w.run = nil
	run.kill()
	<-run.ended()
}

// PID is the server's process.
func (w *World) PID() int {
	w.T.Helper()
	p, ok := w.run.(*process)
	if !ok {
		w.T.Fatal("the server has no process of its own")
	}
	return p.cmd.Process.Pid
}

// API is the address of the running server.
func (w *World) API() string {
	w.T.Helper()
	if w.run == nil {
		w.T.Fatal("the server does not run")
	}
	api, _ := w.run.addresses()
	return api
}

// Backend is the running world as the chat backend of another network sees it, for a part
// of a test. It may be used beside others; who starts and stops is the world itself.
func (w *World) Backend(t testing.TB, key string) *World {
	b := *w
	b.T = t
	b.Key = key
	return &b
}

// Listener is the address of the listener of a configuration key. Only a server in the
// test's process tells.
func (w *World) Listener(key string) string {
	w.T.Helper()
	h, ok := w.run.(*here)
	if !ok {
		w.T.Fatal("only a server in this process tells its listeners")
	}
	return h.app.ListenerAddr(key)
}

// Eventually waits until something has come to be.
func (w *World) Eventually(what string, ok func() bool) {
	w.T.Helper()
	polltest.Until(w.T, what, ok)
}

// Logs says how often a line was logged. Only a server in the test's process tells.
func (w *World) Logs(text string) int {
	w.T.Helper()
	h, ok := w.run.(*here)
	if !ok {
		w.T.Fatal("only the log of a server in this process is kept")
	}
	return strings.Count(h.log.String(), text)
}
