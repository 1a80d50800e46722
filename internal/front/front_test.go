package front_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"chatbell/handlers/status"
	"chatbell/internal/front"
	"chatbell/internal/listen"
)

// ask sends a request and returns the status, Retry-After and the body.
func ask(t *testing.T, method, url string) (status int, retry, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Retry-After"), string(data)
}

// smuggle sends a request whose end two programs could see in different places.
func smuggle(t *testing.T, addr string) (status int, body string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// config is that of a front at an address.
func config(t *testing.T, address string, log io.Writer) front.Config {
	t.Helper()
	limiter := listen.New(listen.Config{})
	t.Cleanup(func() {
		if err := limiter.Close(); err != nil {
			t.Error(err)
		}
	})
	return front.Config{
		Address:  address,
		Key:      "listen",
		Flag:     "(--listen)",
		Limiter:  limiter,
		Starting: status.Starting("v1", ""),
		Log:      slog.New(slog.NewTextHandler(log, nil)),
	}
}

// From the moment in which the port is bound a probe gets an answer, and nothing is
// taken before the API is there; at a stop what is under way is answered.
func TestFront(t *testing.T) {
	var log bytes.Buffer
	f, err := front.Open(t.Context(), config(t, "127.0.0.1:0", &log))
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + f.Addr()
	if status, _, body := ask(t, "GET", url+"/healthz"); status != 200 || !strings.Contains(body, `"starting"`) || !strings.Contains(body, `"v1"`) {
		t.Errorf("/healthz: %d %s", status, body)
	}
	for _, path := range []string{"/readyz", "/v1/events", "/metrics", "/nowhere"} {
		if status, retry, body := ask(t, "POST", url+path); status != 503 || retry == "" || !strings.Contains(body, "starting") {
			t.Errorf("%s: %d, Retry-After %q, %s", path, status, retry, body)
		}
	}
	if _, err := front.Open(t.Context(), config(t, f.Addr(), io.Discard)); err == nil || !strings.Contains(err.Error(), "another program uses that port: stop it, or set listen (--listen) to") {
		t.Errorf("a second one on the same port: %v", err)
	}
	if status, body := smuggle(t, f.Addr()); status != 400 || !strings.Contains(body, "Transfer-Encoding") {
		t.Errorf("a request with two lengths: %d %s", status, body)
	}
	begun, finish := make(chan struct{}), make(chan struct{})
	f.Show(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "the API")
	}))
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- f.Run(ctx, time.Minute) }()
	answered := make(chan string, 1)
	go func() {
		_, _, body := ask(t, "GET", url)
		answered <- body
	}()
	<-begun
	cancel()
	for { // until the listener is closed: then the stop has begun
		c, err := net.Dial("tcp", f.Addr())
		if err != nil {
			break
		}
		c.Close()
	}
	close(finish)
	if body := <-answered; body != "the API" {
		t.Errorf("what was under way at the stop is answered with %q", body)
	}
	if err := errors.Join(<-stopped, f.Close()); err != nil { // closing again does nothing
		t.Error(err)
	}
	if log.Len() > 0 {
		t.Errorf("the log says %s", &log)
	}
}

// A request that does not end is cut off when the grace is over.
func TestFrontCutsOff(t *testing.T) {
	var log bytes.Buffer
	f, err := front.Open(t.Context(), config(t, "127.0.0.1:0", &log))
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	f.Show(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	}))
	failed := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + f.Addr())
		if err == nil {
			resp.Body.Close()
		}
		failed <- err
	}()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Run(ctx, 10*time.Millisecond); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("it was answered")
	}
	if !strings.Contains(log.String(), "cut off") {
		t.Errorf("the log says %s", &log)
	}
}

// Each request goes to the mount with the longest path that fits, as it was sent.
func TestMux(t *testing.T) {
	answers := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	}
	h := front.Mux(
		front.Mount{Handler: answers("main")},
		front.Mount{Paths: []string{"/api", "/healthz/"}, Handler: answers("api")},
		front.Mount{Paths: []string{"/api/v3/setting"}, Handler: answers("setting")},
	)
	for path, want := range map[string]string{
		"/": "main", "/apis": "main", "/other/api": "main", "/%61pi": "main",
		"/api": "api", "/api/": "api", "/api/v3": "api", "/api/v3/settings": "api", "/healthz": "api",
		"/api/v3/setting": "setting", "/api/v3/setting/a%2Fb": "setting",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, http.NoBody))
		if got := w.Body.String(); got != want {
			t.Errorf("%s is answered by %s, want %s", path, got, want)
		}
	}
	w := httptest.NewRecorder()
	front.Mux().ServeHTTP(w, httptest.NewRequest("GET", "/", http.NoBody))
	if w.Code != http.StatusNotFound {
		t.Errorf("where nothing is mounted the status is %d", w.Code)
	}
}

// A surface may have a server of its own making, for example HTTP/2 without TLS.
func TestOwnServer(t *testing.T) {
	c := config(t, "127.0.0.1:0", io.Discard)
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	c.Configure = func(s *http.Server) { s.Protocols = &h2c }
	f, err := front.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	transport := &http.Transport{Protocols: &h2c}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("http://" + f.Addr() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != 200 {
		t.Errorf("%s, status %d", resp.Proto, resp.StatusCode)
	}
}
