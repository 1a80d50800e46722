package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbell/analytics/engine"
	"chatbell/internal/app"
	"chatbell/internal/config"
	"chatbell/internal/sandbox"
)

// TestMain lets the test's binary be what the server starts, and the server itself,
// so that a test can kill it.
func TestMain(m *testing.M) {
	var run func(context.Context) error
	switch {
	case len(os.Args) > 1 && os.Args[1] == "engine":
		run = func(ctx context.Context) error { return engine.Serve(ctx, engine.Inherited()) }
	case len(os.Args) > 2 && os.Args[1] == "serve":
		run = func(ctx context.Context) error { return serve(ctx, os.Args[2]) }
	default:
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// These bound what the server lets wait.
const (
	backlogVariable = "TEST_CHATBELL_BACKLOG"
	resultsVariable = "TEST_CHATBELL_RESULT_BYTES"
)

func bound(variable string) (n int64, err error) {
	if v := os.Getenv(variable); v != "" {
		n, err = strconv.ParseInt(v, 10, 64)
	}
	return n, err
}

func serve(ctx context.Context, file string) error {
	if err := limits(); err != nil {
		return err
	}
	cfg, err := config.Load(config.Options{File: file})
	if err != nil {
		return err
	}
	backlog, err := bound(backlogVariable)
	if err != nil {
		return err
	}
	results, err := bound(resultsVariable)
	if err != nil {
		return err
	}
	a, err := app.New(ctx, cfg, app.Options{
		Backlog: uint64(backlog), ResultBytes: results,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Notices: os.Stdout, EngineCommand: []string{os.Args[0], "engine"},
	})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

const (
	key      = "acme-backend-key-0123456789"
	password = "analyst-password"
)

// world is a sandbox and a server in a process of its own.
type world struct {
	t          *testing.T
	dir        string
	box        *sandbox.Server
	api        string
	clickhouse string
	key        string // of the network that calls
	library    string
	cmd        *exec.Cmd
	exited     chan error
}

func newWorld(t *testing.T, box sandbox.Config, more string, networks ...sandbox.Network) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), api: free(t), clickhouse: free(t), key: key}
	box.Dir = filepath.Join(w.dir, "sandbox")
	var err error
	if w.box, err = sandbox.Start(t.Context(), box); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.box.Close(); err != nil {
			t.Error(err)
		}
	})
	if w.library, err = filepath.Abs("../../.cache/engine/libchdb.so"); err != nil {
		t.Fatal(err)
	}
	creds := w.box.Credentials()
	text := fmt.Sprintf("data: %s/data\nlisten: %s\nclickhouse_listen: %s\nclickhouse_password: %s\nclickhouse_engine: %s\n%s\n%s",
		w.dir, w.api, w.clickhouse, password, w.library, more, creds.YAML(networks...))
	if err := os.WriteFile(w.config(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) config() string { return filepath.Join(w.dir, "chatbell.yaml") }

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts the server and waits until it takes events.
func (w *world) start() {
	w.t.Helper()
	w.cmd = exec.Command(os.Args[0], "serve", w.config())
	w.cmd.Stderr = w.t.Output()
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.exited = make(chan error, 1)
	go func() { w.exited <- w.cmd.Wait() }()
	w.t.Cleanup(func() { _ = w.cmd.Process.Kill() })
	w.eventually("ready", func() bool {
		select {
		case err := <-w.exited:
			w.t.Fatalf("the server ended: %v", err)
		default:
		}
		resp, err := http.Get("http://" + w.api + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// stop drains the server.
func (w *world) stop() {
	w.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Fatal(err)
	}
	select {
	case err := <-w.exited:
		if err != nil {
			w.t.Fatalf("the server did not drain: %v", err)
		}
	case <-time.After(40 * time.Second):
		w.t.Fatal("the server did not stop")
	}
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(90 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			w.t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func (w *world) call(method, path string, body any) (int, string) {
	status, answer, err := w.try(method, path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	return status, answer
}

func (w *world) try(method, path string, body any) (int, string, error) {
	data, ok := body.([]byte)
	if !ok {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return 0, "", err
		}
	}
	req, err := http.NewRequest(method, "http://"+w.api+path, bytes.NewReader(data))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+w.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), err
}

// query asks ClickHouse as curl would; a failure is an answer too.
func (w *world) query(sql string) string {
	req, err := http.NewRequest(http.MethodPost, "http://"+w.clickhouse+"/", strings.NewReader(sql))
	if err != nil {
		w.t.Fatal(err)
	}
	req.SetBasicAuth("analyst", password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data))
}

// answers waits until a query has an answer: the tables of a block are filled one
// after another.
func (w *world) answers(sql, want string) {
	w.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); ; {
		got := w.query(sql)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			w.t.Errorf("%s\n  is %s, want %s", sql, got, want)
			return
		}
	}
}

// as calls for another network.
func (w *world) as(key string, f func()) {
	before := w.key
	w.key = key
	f()
	w.key = before
}

func (w *world) device(user, provider, token, locale string) {
	w.t.Helper()
	w.deviceOf("com.acme.chat", user, provider, token, locale)
}

func (w *world) deviceOf(app, user, provider, token, locale string) {
	w.t.Helper()
	status, answer := w.call("POST", "/v1/devices", map[string]any{
		"device_id": user + "-" + provider, "user": user, "provider": provider, "token": token, "app": app, "locale": locale,
	})
	if status != http.StatusOK {
		w.t.Fatalf("register: %d %s", status, answer)
	}
}

func (w *world) post(events ...map[string]any) {
	w.t.Helper()
	if status, answer := w.call("POST", "/v1/events", events); status != http.StatusAccepted {
		w.t.Fatalf("post: %d %s", status, answer)
	}
}

func hex(n int) string { return fmt.Sprintf("%064x", n) }

type m = map[string]any
