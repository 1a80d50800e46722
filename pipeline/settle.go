package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatbell"
)

// settleTime bounds the writes that settle finished work while the process stops.
const settleTime = 10 * time.Second

// finish waits for everything that was handed to the queues, makes the rows durable,
// and puts what has to be tried again into the store. After that the message behind
// them may be acknowledged. It finishes even when ctx ends: what a provider accepted has
// to be recorded, and what was not tried waits in the store for the next process.
func (s *sender) finish(ctx context.Context, work []*handed, out *chatbell.Results) error {
	for _, h := range work {
		<-h.done // the tries see the same context, so they end soon after it does
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	var again []waiting
	var errs []error
	for _, h := range work {
		rest, err := h.settle(ctx, out)
		again, errs = append(again, rest...), append(errs, err)
	}
	for _, w := range again {
		w.batch.Repeat = w.batch.Repeat || out.MaybeRepeat
	}
	// Rows are written even where a batch could not be settled: what was accepted is
	// accepted, and the repeat finds it in the records. They are written first: a try
	// whose retry is known has its row.
	if err := errors.Join(append(errs, s.results.Write(ctx, out))...); err != nil {
		return err // all of it comes again; what waited in the store besides would be sent twice
	}
	_, err := s.later.put(ctx, again)
	return err
}

// waiting is work that is tried again when it is due.
type waiting struct {
	batch *Batch
	due   time.Time
}

// settle adds the finished rows to out and returns what has to be tried again.
func (h *handed) settle(ctx context.Context, out *chatbell.Results) ([]waiting, error) {
	switch {
	case h.spilled:
		return []waiting{{h.batch, h.s.now().Add(h.batch.spillWait())}}, nil
	case h.tries == nil:
		h.untried(out)
		return nil, nil
	}
	if err := h.learnEndpoint(ctx); err != nil {
		return nil, err
	}
	var again retries
	var errs []error
	for i := range h.batch.Targets {
		y := &h.tries[min(i, len(h.tries)-1)] // a call's one try is everybody's
		t := h.batch.Targets[i]
		switch {
		case y.skipped:
			again.add(t, 0, h.s.now().Add(h.batch.spillWait()))
		case y.handBack: // the process is stopping: the next one tries
			t.Doubt = true
			again.add(t, 0, h.s.now())
		default:
			errs = append(errs, h.judge(ctx, t, y, out, &again))
		}
	}
	return again.of(h.batch), errors.Join(errs...)
}

// judge decides what follows from a target's try. After an error the target has no row:
// the repeat of the message tries to learn the same again.
func (h *handed) judge(ctx context.Context, t Target, y *try, out *chatbell.Results, again *retries) error {
	b := h.batch
	t.Attempts++
	var v verdict
	if b.Call != nil {
		v = h.s.retry.judgeHook(t.Attempts, y)
	} else {
		v = h.s.retry.judgePush(t.Attempts, b.Notification.ExpiresAt, y)
	}
	if v.outcome == "" {
		out.Attempts = append(out.Attempts, b.attempt(&t, y, true))
		t.Doubt = t.Doubt || y.err.FateUnknown
		again.add(t, y.err.RetryAfter, v.retryAt)
		return nil
	}
	if err := h.learnToken(ctx, &t, y); err != nil {
		return err
	}
	out.Attempts = append(out.Attempts, b.attempt(&t, y, false))
	if !b.isRaw() {
		out.Deliveries = append(out.Deliveries, b.delivery(&t, v, y, h.s.now()))
	}
	return nil
}

// retries are the targets of a batch that are tried again. Those that were asked to wait
// equally long go together, when the last of them is due; nobody else waits for them.
type retries struct{ groups []retryGroup }

type retryGroup struct {
	asked   time.Duration
	due     time.Time
	targets []Target
}

func (r *retries) add(t Target, asked time.Duration, due time.Time) {
	for i := range r.groups {
		g := &r.groups[i]
		if g.asked == asked {
			g.targets = append(g.targets, t)
			if due.After(g.due) {
				g.due = due
			}
			return
		}
	}
	r.groups = append(r.groups, retryGroup{asked, due, []Target{t}})
}

// of makes each group a batch of its own.
func (r *retries) of(b *Batch) []waiting {
	out := make([]waiting, len(r.groups))
	for i, g := range r.groups {
		part := *b
		part.Targets = g.targets
		out[i] = waiting{&part, g.due}
	}
	return out
}

// untried records targets that expired, or whose credential or endpoint was taken out of
// the configuration, while they waited.
func (h *handed) untried(out *chatbell.Results) {
	v, why := verdict{outcome: chatbell.Failed, reason: chatbell.Auth}, "not configured any more"
	switch {
	case h.batch.isRaw():
		return
	case h.expired:
		v, why = verdict{outcome: chatbell.Expired, reason: chatbell.ExpiredReason}, ""
	case h.batch.Call != nil:
		v.reason = chatbell.EndpointDisabled
	}
	for i := range h.batch.Targets {
		row := h.batch.delivery(&h.batch.Targets[i], v, nil, h.s.now())
		row.ProviderReason = why
		out.Deliveries = append(out.Deliveries, row)
	}
}

// learnEndpoint disables an endpoint that wants no more calls.
func (h *handed) learnEndpoint(ctx context.Context) error {
	d, y := h.batch.Destination, &h.tries[0]
	if h.batch.Call == nil || y.err == nil || y.err.Reason != chatbell.EndpointDisabled {
		return nil
	}
	if err := h.s.devices.DisableEndpoint(ctx, d.Network, d.Endpoint, chatbell.EndpointDisabled); err != nil {
		return fmt.Errorf("store that %s is disabled: %w", d, err)
	}
	return nil
}

// learnToken applies what a refusal says about a token.
func (h *handed) learnToken(ctx context.Context, t *Target, y *try) error {
	if h.batch.Call != nil || y.err == nil || y.err.Reason != chatbell.Unregistered && y.err.Reason != chatbell.InvalidToken {
		return nil
	}
	if err := h.bury(ctx, t, y.err); err != nil {
		return fmt.Errorf("store what %s said of a token: %w", h.batch.Destination, err)
	}
	return nil
}

// bury removes or disables a device and tells the customer. The news is stored first,
// and taken back where the device has another token by now: of one that is gone nobody
// would tell after a crash.
func (h *handed) bury(ctx context.Context, t *Target, why *chatbell.SendError) error {
	n := h.batch.Notification.Network
	news, err := h.tellDead(ctx, t, why, h.s.now())
	if err != nil {
		return err
	}
	var acted bool
	if why.Reason == chatbell.Unregistered {
		acted, err = h.s.devices.RemoveDeadDevice(ctx, n, t.Device, t.Token, why.DeadSince)
	} else {
		acted, err = h.s.devices.DisableDevice(ctx, n, t.Device, t.Token, chatbell.InvalidToken)
	}
	switch {
	case err != nil:
		return err
	case acted:
		h.s.log.Info("push token is dead", "network", n, "user", t.User, "device", t.Device,
			"reason", why.Reason, "provider_reason", why.ProviderReason)
	case len(news) > 0:
		return h.s.later.waiting.DeleteLater(ctx, news)
	}
	return nil
}
