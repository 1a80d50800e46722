package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/metrics"
)

// scrape is what the handler answers.
func scrape(t *testing.T, r *metrics.Registry, accept string) (string, http.Header) {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
	req.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, req)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d: %v", w.Code, err)
	}
	return string(body), w.Result().Header
}

func contains(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			t.Errorf("the scrape has no line %s", line)
		}
	}
}

// Everything is counted under closed labels: one that is empty, or in no list, has a
// word of its own.
func TestCounters(t *testing.T) {
	r := metrics.New("v1")
	r.Tried(chatbell.TargetAPNs, chatbell.Accepted, "", time.Millisecond)
	r.Tried(chatbell.TargetWebhook, chatbell.Failed, chatbell.Timeout, time.Second)
	r.Tried("carrier-pigeon", "lost", "hawk", time.Second)
	r.Finished([]chatbell.Delivery{
		{Target: chatbell.TargetFCM, Outcome: chatbell.Accepted, LatencyMS: 40},
		{Target: chatbell.TargetFCM, Outcome: chatbell.Accepted, LatencyMS: 4000},
		{Target: chatbell.TargetNone, Outcome: chatbell.Suppressed, Reason: chatbell.Self},
		{Target: chatbell.TargetAPNs, Outcome: chatbell.Failed, Reason: chatbell.Auth},              // no credential
		{Target: chatbell.TargetAPNs, Outcome: chatbell.Failed, Reason: chatbell.Auth, Attempts: 1}, // refused
		{Target: chatbell.TargetWebhook, Outcome: chatbell.Expired, Reason: chatbell.ExpiredReason},
	})
	r.Handled("EVENTS", "done", time.Millisecond)
	r.Matched(time.Millisecond, 7, true)
	r.Event(metrics.EventRejected, 3)
	r.Refused("unknown")
	r.Refused("a mistake of ours")
	r.Request("GET", "/v1/users/:user", 404, time.Millisecond)
	r.Request("BREW", "", 405, time.Millisecond)
	r.Inserted(&chatbell.Results{Deliveries: make([]chatbell.Delivery, 2), Attempts: make([]chatbell.Attempt, 3)}, time.Millisecond, nil)
	r.Inserted(&chatbell.Results{Deliveries: make([]chatbell.Delivery, 9)}, time.Millisecond, errors.New("away"))
	r.RecordingFailed()

	text, _ := scrape(t, r, "")
	contains(t, text,
		`chatbell_attempts_total{outcome="accepted",reason="none",target="apns"} 1`,
		`chatbell_attempts_total{outcome="failed",reason="timeout",target="webhook"} 1`,
		`chatbell_attempts_total{outcome="other",reason="other",target="other"} 1`,
		`chatbell_deliveries_total{outcome="accepted",reason="none",target="fcm"} 2`,
		`chatbell_deliveries_total{outcome="suppressed",reason="self",target="none"} 1`,
		`chatbell_deliveries_total{outcome="failed",reason="auth",target="apns"} 2`,
		`chatbell_deliveries_total{outcome="expired",reason="expired",target="webhook"} 1`,
		`chatbell_missing_credentials_total{target="apns"} 1`,
		`chatbell_delivery_latency_seconds_bucket{target="fcm",le="0.05"} 1`,
		`chatbell_delivery_latency_seconds_count{target="fcm"} 2`,
		`chatbell_messages_total{end="done",stream="EVENTS"} 1`,
		`chatbell_match_duration_seconds_count{path="fanout"} 1`,
		`chatbell_audience_people_total 7`,
		`chatbell_events_total{status="rejected"} 3`,
		`chatbell_events_total{status="accepted"} 0`,
		`chatbell_credentials_refused_total{reason="unknown"} 1`,
		`chatbell_credentials_refused_total{reason="other"} 1`,
		`chatbell_credentials_refused_total{reason="scope"} 0`,
		`chatbell_http_requests_total{code="404",method="GET",route="/v1/users/:user"} 1`,
		`chatbell_http_requests_total{code="405",method="other",route="none"} 1`,
		`chatbell_clickhouse_inserts_total{result="ok"} 1`,
		`chatbell_clickhouse_inserts_total{result="failed"} 1`,
		`chatbell_clickhouse_rows_total{table="attempts"} 3`,
		`chatbell_clickhouse_rows_total{table="deliveries"} 2`,
		`chatbell_recorder_failures_total 1`,
	)
	if empty := regexp.MustCompile(`.*=""[,}].*`).FindString(text); empty != "" {
		t.Errorf("an empty label is the same as none: %s", empty)
	}
}

// OpenMetrics is answered to whoever asks for it, as Prometheus does.
func TestOpenMetrics(t *testing.T) {
	text, header := scrape(t, metrics.New("v1"), "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
	if !strings.HasPrefix(header.Get("Content-Type"), "application/openmetrics-text; version=1.0.0") || !strings.HasSuffix(text, "# EOF\n") {
		t.Errorf("got %s", header.Get("Content-Type"))
	}
	if _, header := scrape(t, metrics.New("v1"), ""); !strings.HasPrefix(header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("without asking: %s", header.Get("Content-Type"))
	}
}

// reader is a part whose reads are counted.
type reader struct {
	mu    sync.Mutex
	reads int
	err   error
}

func (p *reader) read(_ context.Context, tell metrics.Tell) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	tell(metrics.StreamBytes, float64(p.reads), "EVENTS")
	return p.err
}

func (p *reader) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reads
}

// However often somebody scrapes, side by side, a part that is dear is read once in its
// age, and one that is cheap each time.
func TestGaugesAreReadSeldom(t *testing.T) {
	for name, c := range map[string]struct {
		age  time.Duration
		want int
	}{"dear": {time.Hour, 1}, "cheap": {0, 20}} {
		t.Run(name, func(t *testing.T) {
			r, p := metrics.New("v1"), new(reader)
			r.Add(metrics.Part{Name: name, MaxAge: c.age, Gauges: []metrics.Gauge{metrics.StreamBytes}, Read: p.read})
			var wg sync.WaitGroup
			for range 4 { // fewer than are served at once
				wg.Go(func() {
					for range 5 {
						req := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
						w := httptest.NewRecorder()
						r.Handler().ServeHTTP(w, req)
						if w.Code != http.StatusOK {
							t.Errorf("status %d", w.Code)
						}
					}
				})
			}
			wg.Wait()
			if got := p.count(); got != c.want {
				t.Errorf("read %d times, want %d", got, c.want)
			}
		})
	}
}

// A part that cannot tell its state leaves a gap, is counted, and is asked again.
func TestUnreadGauges(t *testing.T) {
	r, p := metrics.New("v1"), &reader{err: errors.New("away")}
	r.Add(metrics.Part{Name: "streams", Gauges: []metrics.Gauge{metrics.StreamBytes}, Read: p.read})
	_, _ = scrape(t, r, "")
	text, _ := scrape(t, r, "")
	if strings.Contains(text, "chatbell_stream_bytes{") {
		t.Error("a value that nobody could read is told")
	}
	// The counter is one of the same scrape, and may have been read before it was counted up.
	if !regexp.MustCompile(`chatbell_unread_gauges_total\{part="streams"\} [12]\n`).MatchString(text) {
		t.Error("the gap is not counted")
	}
	p.err = nil
	text, _ = scrape(t, r, "")
	contains(t, text, fmt.Sprintf(`chatbell_stream_bytes{stream="EVENTS"} %d`, p.count()))
}
