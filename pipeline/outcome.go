package pipeline

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"chatbell"
	"chatbell/pipeline/push"
)

// try is what came of one attempt.
type try struct {
	at       time.Time
	took     time.Duration
	receipt  push.Receipt
	err      *chatbell.SendError // nil: accepted
	handBack bool                // the process is stopping; nothing was decided
	skipped  bool                // the destination hangs; it was not tried
}

// answered reports whether the destination did not keep silent. What is handed back, or
// refused before it was sent, says nothing against it.
func (t *try) answered() bool { return t.err == nil || !t.err.Retry || t.err.Status != 0 }

// newTry reads a sender's answer. A cancelled context decides nothing: the work is
// handed back instead of being recorded as a failure.
func newTry(ctx context.Context, at time.Time, took time.Duration, r push.Receipt, err error) try {
	t := try{at: at, took: took, receipt: r}
	var se *chatbell.SendError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		t.handBack = true
	case errors.As(err, &se):
		t.err = se
	default:
		t.err = &chatbell.SendError{Reason: chatbell.Other, Err: err}
	}
	return t
}

// reason is why the try was not accepted; empty if it was.
func (t *try) reason() chatbell.Reason {
	switch {
	case t.handBack:
		return chatbell.CancelledReason
	case t.err != nil:
		return t.err.Reason
	}
	return ""
}

// verdict is what follows from a try: a final row, or another try at a time.
type verdict struct {
	outcome chatbell.Outcome // empty: try again
	reason  chatbell.Reason
	retryAt time.Time
}

// judgePush decides about a push after its n-th try (n from 1). Pure but for the
// jitter. The expiry of the event bounds the tries, not their number.
func (r *Retry) judgePush(n uint32, expires time.Time, t *try) verdict {
	if t.err == nil {
		return verdict{outcome: chatbell.Accepted}
	}
	if !t.err.Retry {
		return verdict{outcome: chatbell.Failed, reason: t.err.Reason}
	}
	wait := max(backoff(r.PushInitial, r.PushMax, n), t.err.RetryAfter)
	at := t.at.Add(t.took).Add(wait)
	if at.After(expires) {
		return verdict{outcome: chatbell.Expired, reason: chatbell.ExpiredReason}
	}
	return verdict{retryAt: at}
}

// judgeHook decides about a webhook call after its n-th try (n from 1).
func (r *Retry) judgeHook(n uint32, t *try) verdict {
	if t.err == nil {
		return verdict{outcome: chatbell.Accepted}
	}
	if !t.err.Retry || int(n) > len(r.Webhooks) {
		return verdict{outcome: chatbell.Failed, reason: t.err.Reason}
	}
	wait := r.Webhooks[n-1]
	wait += time.Duration((rand.Float64()*0.2 - 0.1) * float64(wait))
	return verdict{retryAt: t.at.Add(t.took).Add(max(wait, t.err.RetryAfter))}
}

// minWait keeps full jitter from drawing a wait that is no wait.
const minWait = 50 * time.Millisecond

// backoff draws the wait after the n-th try: full jitter below a bound that doubles.
func backoff(initial, limit time.Duration, n uint32) time.Duration {
	bound := limit
	if n <= 30 { // beyond that the shift overflows, and the limit holds anyway
		bound = min(limit, initial<<(n-1))
	}
	return max(minWait, rand.N(bound+1))
}

// attempt is the try's row.
func (b *Batch) attempt(t *Target, y *try, willRetry bool) chatbell.Attempt {
	a := chatbell.Attempt{
		Network: b.Notification.Network, EventID: b.Notification.EventID, DeliveryID: b.deliveryID(t),
		UserID: t.User, DeviceID: t.Device, Target: b.Destination.Kind(), Endpoint: b.Destination.Endpoint,
		Number: t.Attempts, At: y.at, DurationMS: millis(y.took), Outcome: chatbell.Accepted,
		MaybeRepeat: t.Doubt, WillRetry: willRetry,
		ProviderID: y.receipt.ProviderID, ProviderStatus: uint16(y.receipt.Status), //nolint:gosec // an HTTP status
	}
	if y.err != nil {
		a.Outcome, a.Reason = chatbell.Failed, y.err.Reason
		a.ProviderStatus, a.ProviderReason = uint16(y.err.Status), y.err.ProviderReason //nolint:gosec // an HTTP status
	}
	return a
}

// delivery is the final row of one of the batch's targets; y is nil where nothing
// was tried.
func (b *Batch) delivery(t *Target, v verdict, y *try, now time.Time) chatbell.Delivery {
	d := baseRow(&b.Notification)
	d.UserID, d.DeviceID, d.DeliveryID = t.User, t.Device, b.deliveryID(t)
	d.Target, d.Platform, d.App, d.Endpoint = b.Destination.Kind(), t.Platform, b.Destination.App, b.Destination.Endpoint
	d.Locale = b.Texts[t.Text].Locale
	d.Outcome, d.Reason, d.Attempts, d.FinishedAt = v.outcome, v.reason, t.Attempts, now
	if y == nil {
		return d
	}
	d.ProviderID, d.ProviderStatus = y.receipt.ProviderID, uint16(y.receipt.Status) //nolint:gosec // an HTTP status
	if y.err != nil {
		d.ProviderStatus, d.ProviderReason = uint16(y.err.Status), y.err.ProviderReason //nolint:gosec // an HTTP status
	}
	d.FinishedAt = y.at.Add(y.took)
	if v.outcome == chatbell.Accepted {
		d.LatencyMS = millis(d.FinishedAt.Sub(d.AcceptedAt))
	}
	return d
}

// baseRow is what all rows of a notification share.
func baseRow(n *chatbell.Notification) chatbell.Delivery {
	return chatbell.Delivery{
		Network: n.Network, EventID: n.EventID, EventType: n.EventType, ChannelID: n.ChannelID,
		Template: n.Template, SubjectID: n.SubjectID, EventTime: n.EventTime, AcceptedAt: n.AcceptedAt, Source: n.Source,
	}
}

// millis rounds down to whole milliseconds; negative (a clock was set) counts as 0.
func millis(d time.Duration) uint32 {
	return uint32(min(max(d.Milliseconds(), 0), 1<<32-1)) //nolint:gosec // bounded in this line
}
