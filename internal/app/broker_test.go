package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"chatbell/internal/app"
	"chatbell/internal/app/apptest"
	"chatbell/internal/config"
	"chatbell/internal/polltest"
	"chatbell/internal/sandbox"
)

// gate is the address of a broker that comes and goes, as a program that is started and
// stopped does: while it is shut, whoever connects is hung up on.
type gate struct {
	listener net.Listener
	behind   string
	serving  sync.WaitGroup

	mu    sync.Mutex
	open  bool
	conns map[net.Conn]bool
}

func newGate(t *testing.T, behind string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{listener: l, behind: behind, conns: map[net.Conn]bool{}}
	g.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.serving.Go(func() { g.pass(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		g.set(false)
		g.serving.Wait()
	})
	return g
}

// set opens it, or shuts it and hangs up on everybody.
func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = open
	for c := range g.conns {
		if !open {
			_ = c.Close()
		}
	}
}

// hold keeps a connection until the gate is shut; false means that it is.
func (g *gate) hold(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[c] = true
	return g.open
}

func (g *gate) pass(c net.Conn) {
	defer c.Close()
	if !g.hold(c) {
		return
	}
	far, err := net.Dial("tcp", g.behind)
	if err != nil {
		return
	}
	defer far.Close()
	if !g.hold(far) {
		return
	}
	g.serving.Go(func() {
		_, _ = io.Copy(far, c)
		_ = far.Close()
	})
	_, _ = io.Copy(c, far)
}

// natsServer is a NATS server as it is started beside chatbell.
func natsServer(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, JetStreamMaxStore: 1 << 40, StoreDir: filepath.Join(t.TempDir(), "nats"), NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(polltest.Patience) {
		t.Fatal("no NATS server")
	}
	return s.Addr().String()
}

// firstLines tells where a server listens that is not ready yet.
type firstLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (f *firstLines) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.Write(p)
}

var startingLine = regexp.MustCompile(`msg=starting listen=(\S+)`)

func (f *firstLines) listen() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := startingLine.FindStringSubmatch(f.text.String()); m != nil {
		return m[1]
	}
	return ""
}

// An external broker that is away at the start is waited for: the server lives, says for
// what it waits, and is ready when the broker is. When it goes away later, /readyz and
// posts say so within 5 s, and all goes on when it is back.
func TestExternalBrokerComesAndGoes(t *testing.T) {
	t.Parallel()
	log := &firstLines{}
	cfg := apptest.Config{Networks: []sandbox.Network{{ID: "acme", Key: apptest.Key, NoWebhook: true}}}
	cfg.Options.Log = slog.New(slog.NewTextHandler(io.MultiWriter(log, t.Output()), nil))
	w := apptest.New(t, cfg)
	g := newGate(t, natsServer(t))
	w.Configure(fmt.Sprintf("broker: nats://%s\n%s", g.listener.Addr(), w.Configuration()))

	waited := make(chan bool, 1)
	go func() { // Start returns when it is ready
		waited <- polltest.Wait(t, func() bool {
			if log.listen() == "" {
				return false
			}
			status, answer := try(t.Context(), "http://"+log.listen()+"/readyz")
			alive, _ := try(t.Context(), "http://"+log.listen()+"/healthz")
			return status == http.StatusServiceUnavailable && alive == http.StatusOK && strings.Contains(answer, "it waits for the broker")
		})
		g.set(true)
	}()
	w.Start()
	if !<-waited {
		t.Error("/readyz did not say that it waits for the broker, or it was not alive")
	}
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Post(apptest.Created("c", "bob"))
	w.Answers("SELECT count() FROM deliveries WHERE outcome = 'accepted'", "1")

	g.set(false)
	w.Eventually("posts are refused while it is away", func() bool {
		status, answer := w.Call(http.MethodPost, "/v1/events", event{"type": "own.event"})
		return status == http.StatusServiceUnavailable && strings.Contains(answer, "the broker cannot be reached")
	})
	if status, answer := w.Call(http.MethodGet, "/readyz", nil); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz while it is away: %d %s", status, answer)
	}
	g.set(true)
	w.Post(apptest.Said("c", "m"))
	w.Eventually("it is ready again", func() bool {
		status, _ := w.Call(http.MethodGet, "/readyz", nil)
		return status == http.StatusOK
	})
	w.Answers("SELECT count(), uniqExact(delivery_id) FROM deliveries WHERE outcome = 'accepted'", "2\t2")
	w.Stop()
}

// try asks a server that may not answer.
func try(ctx context.Context, url string) (status int, body string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body) // half a body does not say it
	return resp.StatusCode, string(data)
}

// A second server on the same external broker is refused in words, whatever its data folder;
// one that follows a stopped one is not.
func TestSecondServerOnABroker(t *testing.T) {
	t.Parallel()
	url := "nats://" + natsServer(t)
	world := func() *apptest.World {
		w := apptest.New(t, apptest.Config{Networks: []sandbox.Network{{ID: "acme", Key: apptest.Key, NoWebhook: true}}})
		w.Configure("broker: " + url + "\n" + w.Configuration())
		return w
	}
	first := world()
	second := world()
	first.Start()
	cfg, err := config.Load(config.Options{File: second.File()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = app.New(t.Context(), cfg, app.Options{})
	if err == nil || !strings.Contains(err.Error(), "another chatbell uses this broker") || !strings.Contains(err.Error(), filepath.Join(first.Dir, "data")) {
		t.Errorf("a second server is told %v", err)
	}
	first.Post(apptest.Created("c", "bob"))
	first.Stop()
	second.Start()
	second.Stop()
}
