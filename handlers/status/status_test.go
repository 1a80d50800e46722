package status_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chatbell/handlers/status"
	"chatbell/handlers/web"
	"chatbell/pipeline/intake"
)

// health is what a test says of the server.
type health struct {
	err      error
	degraded []string
}

func (h *health) Ready(context.Context) error       { return h.err }
func (h *health) Degraded(context.Context) []string { return h.degraded }

func start(t *testing.T) (http.Handler, *health, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	state := &health{}
	h, err := status.New(status.Config{
		Common:  web.Common{Log: slog.New(slog.NewTextHandler(&log, nil))},
		Health:  state,
		Metrics: http.NotFoundHandler(),
		Version: "1.2.3",
	})
	if err != nil {
		t.Fatal(err)
	}
	return h, state, &log
}

func ask(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, http.NoBody))
	return w
}

// unavailable checks that an answer is a problem that says when to come again.
func unavailable(t *testing.T, what string, w *httptest.ResponseRecorder) {
	t.Helper()
	var p web.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 503 || p.Status != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%s: %d %v %s", what, w.Code, w.Header(), w.Body)
	}
}

// Anybody may ask whether the server is ready, so that the answer has no addresses.
func TestReadiness(t *testing.T) {
	h, state, _ := start(t)
	if w := ask(h, "GET", "/readyz"); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"degraded":[]}` {
		t.Errorf("ready: %d %s", w.Code, w.Body)
	}
	state.degraded = []string{"clickhouse: away"}
	if w := ask(h, "GET", "/readyz"); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"degraded":["clickhouse: away"]}` {
		t.Errorf("degraded: %d %s", w.Code, w.Body)
	}
	secret := errors.New("nats://10.0.0.1")
	for says, err := range map[string]error{
		"broker cannot be reached": &intake.Error{Cause: intake.Unavailable, Err: secret},
		"backlog is full":          fmt.Errorf("wrapped: %w", &intake.Error{Cause: intake.Overloaded, Err: secret}),
		"is full":                  &intake.Error{Cause: intake.DiskFull, Err: secret},
		"is stopping":              &intake.Error{Cause: intake.Stopping, Err: secret},
		"server's log":             fmt.Errorf("something else about %w", secret),
		"log":                      fmt.Errorf("%w: %w", context.DeadlineExceeded, secret),
	} {
		h, state, log := start(t) // which tells a failure once
		state.err = err
		w := ask(h, "GET", "/readyz")
		unavailable(t, says, w)
		if strings.Contains(w.Body.String(), "10.0.0.1") || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%v: %s", err, w.Body)
		}
		if !strings.Contains(log.String(), "10.0.0.1") {
			t.Errorf("%v: the log says only %s", err, log)
		}
	}
	state.err = secret
	if w := ask(h, "GET", "/healthz"); w.Code != 200 || !strings.Contains(w.Body.String(), `"1.2.3"`) {
		t.Errorf("/healthz is %d %s while the process lives", w.Code, w.Body)
	}
}

// While the parts are opened a probe of life is answered, and everything else is told
// to come again.
func TestStarting(t *testing.T) {
	h := status.Starting("1.2.3", "")
	for request, want := range map[string]int{"GET /healthz": 200, "HEAD /healthz": 200, "GET /readyz": 503, "POST /v1/events": 503, "GET /": 503, "PUT /healthz": 503} {
		method, path, _ := strings.Cut(request, " ")
		w := ask(h, method, path)
		if w.Code != want {
			t.Errorf("%s: %d", request, w.Code)
		}
		if want == 503 {
			unavailable(t, request, w)
		}
	}
}

// What a start waits for is said to whoever asks.
func TestStartingWaits(t *testing.T) {
	if w := ask(status.Starting("1.2.3", "the broker"), "GET", "/readyz"); !strings.Contains(w.Body.String(), "it waits for the broker") {
		t.Errorf("it says %s", w.Body)
	}
}
