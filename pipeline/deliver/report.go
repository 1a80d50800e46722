package deliver

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"chatbell"
	"chatbell/pipeline/work"
)

// Report writes what an operator looks for in the log: one line at level debug for
// each attempt, and one at level warn for what ended without success. The warnings
// are throttled, because one bad credential may end a million pushes; metrics and
// ClickHouse have them all. No line holds a token, a secret, a URL or content.
type Report struct {
	log   *slog.Logger
	ended *throttle
	creds *throttle
}

const (
	// failureLines of one destination and reason are written in failureSpan; then one
	// says how many were left out.
	failureLines = 10
	failureSpan  = time.Minute
	// credentialSpan is how often a missing credential is told: it stays missing until
	// somebody changes the configuration.
	credentialSpan = time.Hour
)

// NewReport makes a report that writes to a log.
func NewReport(log *slog.Logger, now func() time.Time) *Report {
	return &Report{log: log, ended: newThrottle(failureLines, failureSpan, now), creds: newThrottle(1, credentialSpan, now)}
}

// attempt is the wide line of one try.
func (r *Report) attempt(b *work.Batch, host string, row *chatbell.Attempt, tried *try, retryAt time.Time) {
	if !r.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	attrs := []any{
		"network", row.Network, "event", row.EventID, "delivery", row.DeliveryID, "target", row.Target, "app", b.Destination.App, "endpoint", row.Endpoint, "host", host,
		"user", row.UserID, "device", row.DeviceID, "batch", b.ID, "attempt", row.Number, "at", row.At, "took", tried.Took, "outcome", row.Outcome, "reason", row.Reason,
		"provider_status", row.ProviderStatus, "provider_reason", row.ProviderReason, "provider_id", row.ProviderID,
		"maybe_repeat", row.MaybeRepeat, "will_retry", row.WillRetry,
	}
	if row.WillRetry {
		attrs = append(attrs, "retry_at", retryAt)
	}
	if tried.Err != nil {
		attrs = append(attrs, "error", tried.Err.Error(), "fate_unknown", tried.Err.FateUnknown, "retry_after", tried.Err.RetryAfter)
	}
	r.log.Debug("attempt", attrs...)
}

// failure is what the throttle of ends goes by.
type failure struct {
	destination work.Destination
	reason      chatbell.Reason
}

// failed tells of a call, or of a target's push, that ended without success; y is nil
// where nothing was tried. A dead token is told by whoever removes it.
func (r *Report) failed(b *work.Batch, host string, t *work.Target, decided verdict, tried *try) {
	if decided.outcome == chatbell.Accepted || decided.reason == chatbell.Unregistered || decided.reason == chatbell.InvalidToken {
		return
	}
	leftOut, ok := r.ended.allow(failure{b.Destination, decided.reason})
	if !ok {
		return
	}
	n := &b.Notification
	attrs := []any{"network", n.Network, "event", n.EventID, "target", b.Destination.Kind()}
	if b.Call != nil {
		attrs = append(attrs, "endpoint", b.Destination.Endpoint, "webhook_id", b.ID, "users", len(b.Targets))
	} else {
		attrs = append(attrs, "app", b.Destination.App, "host", host, "user", t.User, "device", t.Device)
	}
	attrs = append(attrs, "outcome", decided.outcome, "reason", decided.reason, "attempts", t.Attempts)
	if tried != nil && tried.Err != nil {
		attrs = append(attrs, "provider_status", tried.Err.Status, "provider_reason", tried.Err.ProviderReason, "error", tried.Err.Error())
	}
	if leftOut > 0 {
		attrs = append(attrs, "similar_left_out", leftOut)
	}
	r.log.Warn("notification ended without success", attrs...)
}

// disabled tells that an endpoint wants no more calls.
func (r *Report) disabled(to work.Destination) {
	if _, ok := r.ended.allow(failure{to, chatbell.EndpointDisabled}); ok {
		r.log.Warn("endpoint answered 410 and is not called any more; when that was a mistake, change its URL or its id in the configuration and restart", "network", to.Network, "endpoint", to.Endpoint)
	}
}

// missing names a credential that devices need and nobody configured.
type missing struct {
	network chatbell.NetworkID
	target  chatbell.TargetKind
	app     string
}

// Unreachable tells, once in a while for each app, of the devices among finished rows
// that nothing configured can reach: they failed for want of a credential, untried.
func (r *Report) Unreachable(rows []chatbell.Delivery) {
	for i := range rows {
		row := &rows[i]
		if row.Outcome != chatbell.Failed || row.Reason != chatbell.Auth || row.Attempts > 0 {
			continue
		}
		if _, ok := r.creds.allow(missing{row.Network, row.Target, row.App}); ok {
			r.log.Warn("devices cannot be reached: add the credential to the network's configuration",
				"network", row.Network, "provider", row.Target, "app", row.App, "cause", row.ProviderReason)
		}
	}
}

// throttle lets through a few of many lines that say the same. Safe for concurrent use.
type throttle struct {
	lines int
	span  time.Duration
	now   func() time.Time

	mu   sync.Mutex
	seen map[any]*written
}

// written counts the lines about one thing since a time.
type written struct {
	since          time.Time
	lines, leftOut int
}

// maxThrottled bounds what is remembered, to some 300 KiB. When more things go wrong at
// once the throttle begins anew: some lines more, and nothing is lost.
const maxThrottled = 4096

func newThrottle(lines int, span time.Duration, now func() time.Time) *throttle {
	return &throttle{lines: lines, span: span, now: now, seen: map[any]*written{}}
}

// allow reports whether a line about a thing may be written now, and how many were left
// out since the last one. The thing must be comparable.
func (t *throttle) allow(thing any) (leftOut int, ok bool) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.seen[thing]
	switch {
	case w == nil:
		if len(t.seen) >= maxThrottled {
			clear(t.seen)
		}
		t.seen[thing] = &written{since: now, lines: 1}
		return 0, true
	case now.Sub(w.since) >= t.span:
		leftOut = w.leftOut
		*w = written{since: now, lines: 1}
		return leftOut, true
	case w.lines < t.lines:
		w.lines++
		return 0, true
	}
	w.leftOut++
	return 0, false
}
