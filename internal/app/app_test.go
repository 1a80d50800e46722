package app_test

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
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbell"
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

func serve(ctx context.Context, file string) error {
	cfg, err := config.Load(config.Options{File: file})
	if err != nil {
		return err
	}
	a, err := app.New(ctx, cfg, app.Options{
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
	cmd        *exec.Cmd
	exited     chan error
}

func newWorld(t *testing.T, box sandbox.Config, more string, networks ...sandbox.Network) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), api: free(t), clickhouse: free(t)}
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
	library, err := filepath.Abs("../../.cache/engine/libchdb.so")
	if err != nil {
		t.Fatal(err)
	}
	creds := w.box.Credentials()
	text := fmt.Sprintf("data: %s/data\nlisten: %s\nclickhouse_listen: %s\nclickhouse_password: %s\nclickhouse_engine: %s\n%s\n%s",
		w.dir, w.api, w.clickhouse, password, library, more, creds.YAML(networks...))
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
	req.Header.Set("Authorization", "Bearer "+key)
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

func (w *world) device(user, provider, token, locale string) {
	w.t.Helper()
	status, answer := w.call("POST", "/v1/devices", map[string]any{
		"device_id": user + "-" + provider, "user": user, "provider": provider, "token": token, "app": "com.acme.chat", "locale": locale,
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

// TestStranger is a chat backend that posts the three events and looks at the phones,
// the webhook and ClickHouse.
func TestStranger(t *testing.T) {
	w := newWorld(t, sandbox.Config{}, "", sandbox.Network{ID: "acme", Key: key, Delivery: chatbell.DeliverBoth})
	w.start()
	w.device("alice", "apns", hex(1), "en")
	w.device("bob", "apns", hex(2), "de")
	w.device("chiyo", "fcm", "token-chiyo", "")
	w.device("dave", "fcm", "token-dave", "fr")
	w.device("mallory", "fcm", "token-mallory", "en") // never a member
	channel := m{"id": "general", "name": "General"}
	w.post(
		m{"id": "1", "type": "channel.created", "actor": m{"id": "alice", "name": "Alice"}, "channel": channel,
			"members": []m{{"id": "alice"}, {"id": "bob"}, {"id": "chiyo", "locale": "ja"}, {"id": "erin"}}},
		m{"id": "2", "type": "channel.joined", "actor": m{"id": "dave", "name": "Dave"}, "channel": channel, "members": []m{{"id": "dave", "name": "Dave"}}},
		m{"id": "3", "type": "message.created", "actor": m{"id": "alice", "name": "Alice"}, "channel": channel, "message": m{"id": "m1", "type": "text", "text": "Hi all"}},
		m{"id": "3", "type": "message.created", "actor": m{"id": "alice", "name": "Alice"}, "channel": channel, "message": m{"id": "m1", "type": "text", "text": "Hi all"}},
	)
	w.eventually("all three events are recorded", func() bool {
		return w.query("SELECT count() FROM chatbell.events") == "3"
	})
	got := map[string]int{}
	for _, n := range w.box.Notifications(sandbox.Query{}) {
		got[n.Device+" | "+n.Title+" | "+n.Body]++
	}
	want := map[string]int{
		hex(2) + " | General | Du bist jetzt Mitglied von General!": 1,
		"token-chiyo | General | Generalのメンバーになりました！":               1,
		hex(1) + " | Dave | Dave has joined General":                1,
		hex(2) + " | Dave | Dave ist General beigetreten":           1,
		"token-chiyo | Dave | DaveさんがGeneralに参加しました":                1,
		hex(2) + " | Alice (General) | Hi all":                      1,
		"token-chiyo | Alice (General) | Hi all":                    1,
		"token-dave | Alice (General) | Hi all":                     1,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("phones show\n%v\nwant\n%v", got, want)
	}
	for _, h := range w.box.Webhooks(sandbox.Query{}) {
		if h.Standard != sandbox.SignatureValid || h.Amity == sandbox.SignatureInvalid {
			t.Errorf("webhook %s: signatures %s and %s", h.ID, h.Standard, h.Amity)
		}
	}
	for sql, want := range map[string]string{
		"SELECT count() - uniqExact(delivery_id) FROM chatbell.deliveries":                                                                      "0",
		"SELECT count() FROM chatbell.deliveries WHERE outcome = 'accepted' AND target IN ('apns','fcm')":                                       "8",
		"SELECT groupArray(event_id) FROM (SELECT event_id FROM chatbell.deliveries WHERE user_id='alice' AND reason='self' ORDER BY event_id)": "['1','3']",
		"SELECT count() FROM chatbell.deliveries WHERE user_id='erin' AND reason='no_device' AND level='device'":                                "3",
		"SELECT count() FROM chatbell.deliveries WHERE user_id='mallory'":                                                                       "0",
		"SELECT uniqExact(user_id) FROM chatbell.deliveries WHERE target='webhook' AND outcome='accepted' AND event_id='3'":                     "4",
		"SELECT sum(deliveries) = (SELECT count() FROM chatbell.deliveries) FROM chatbell.deliveries_hourly":                                    "1",
	} {
		if got := w.query(sql); got != want {
			t.Errorf("%s\n  is %s, want %s", sql, got, want)
		}
	}
	w.stop()
}

// TestKilledInTheMiddle posts 1,000 events to a channel of 50 while the server is
// killed and started again: no accepted event is lost, and every person has exactly
// one row for each.
func TestKilledInTheMiddle(t *testing.T) {
	const events, members, kills = 1000, 50, 3
	w := newWorld(t, sandbox.Config{CountOnly: true, CountIDs: true}, "", sandbox.Network{ID: "acme", Key: key})
	w.start()
	var list []m
	for i := range members {
		id := fmt.Sprintf("u%02d", i)
		w.device(id, "apns", hex(i+1), "en")
		list = append(list, m{"id": id})
	}
	w.post(m{"id": "created", "type": "channel.created", "channel": m{"id": "c", "name": "C"}, "members": list})
	killed := 0
	for i := 0; i < events; {
		batch := make([]m, 0, 10)
		for j := range 10 {
			n := i + j
			batch = append(batch, m{"id": fmt.Sprint("e", n), "type": "message.created", "actor": m{"id": fmt.Sprintf("u%02d", n%members)},
				"channel": m{"id": "c"}, "message": m{"id": fmt.Sprint("m", n), "type": "text", "text": "hello"}})
		}
		status, _, err := w.try("POST", "/v1/events", batch)
		switch {
		case err == nil && status == http.StatusAccepted:
			i += 10
		case err == nil && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable:
			t.Fatalf("post: status %d", status)
		}
		if killed < kills && i >= (killed+1)*events/(kills+1) {
			killed++
			if err := w.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-w.exited
			w.start()
		}
	}
	total := fmt.Sprint((events + 1) * members)
	w.eventually("every person has a row for every event", func() bool {
		return w.query("SELECT count() FROM chatbell.deliveries") == total
	})
	for sql, want := range map[string]string{
		"SELECT uniqExact(delivery_id) FROM chatbell.deliveries":                                                     total,
		"SELECT count() FROM chatbell.events":                                                                        fmt.Sprint(events + 1),
		"SELECT count() FROM chatbell.deliveries WHERE outcome = 'accepted'":                                         fmt.Sprint(events*(members-1) + members),
		"SELECT count() FROM chatbell.deliveries WHERE reason = 'self'":                                              fmt.Sprint(events),
		"SELECT sum(deliveries) FROM chatbell.deliveries_hourly":                                                     total,
		"SELECT count() FROM (SELECT event_id, count() AS n FROM chatbell.deliveries GROUP BY event_id) WHERE n!=50": "0",
	} {
		if got := w.query(sql); got != want {
			t.Errorf("%s\n  is %s, want %s", sql, got, want)
		}
	}
	ids := w.box.Stats().IDs
	if ids.Unique != int64(events*(members-1)+members) {
		t.Errorf("%d different notifications reached the phones, want %d", ids.Unique, events*(members-1)+members)
	}
	t.Logf("%d kills; %d of %d notifications were repeated with the same collapse id", killed, ids.Repeats, ids.Unique)
	w.stop()
}
