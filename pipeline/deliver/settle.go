package deliver

import (
	"context"
	"errors"
	"time"

	"chatbell"
	"chatbell/pipeline/work"
)

// settleTime bounds the writes that settle finished work while the process stops.
const settleTime = 10 * time.Second

// Settle waits for everything that is in flight, makes the rows durable, and puts what
// has to be tried again into the backlog. After that the message behind them may be
// acknowledged. It finishes even when ctx ends: what a provider accepted has to be
// recorded, and what was not tried waits in the store for the next process.
func (d *Dispatcher) Settle(ctx context.Context, flights []*Flight, out *chatbell.Results) error {
	for _, f := range flights {
		<-f.done // the tries see the same context, so they end soon after it does
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	var again []deferral
	var errs []error
	for _, f := range flights {
		rest, err := f.settle(ctx, out)
		again = append(again, rest...)
		errs = append(errs, err)
	}
	for _, w := range again {
		w.batch.Redelivered = w.batch.Redelivered || out.MaybeRepeat
	}
	// Rows are written even where a batch could not be settled: what was accepted is
	// accepted, and the repeat finds it in the records. They are written first: a try
	// whose retry is known has its row.
	if err := errors.Join(append(errs, d.cfg.Results.Write(ctx, out))...); err != nil {
		return err // all of it comes again; what waited in the store besides would be sent twice
	}
	_, err := d.cfg.Backlog.put(ctx, again)
	return err
}

// deferral is work that is tried again when it is due.
type deferral struct {
	batch *work.Batch
	due   time.Time
}

// settle adds the finished rows to out and returns what has to be tried again.
func (f *Flight) settle(ctx context.Context, out *chatbell.Results) ([]deferral, error) {
	now := f.dispatcher.cfg.Now
	switch {
	case f.spilled:
		return []deferral{{f.batch, now().Add(overflowWait(f.batch))}}, nil
	case f.tries == nil:
		f.untried(out)
		return nil, nil
	}
	if err := f.applyEndpointFeedback(ctx); err != nil {
		return nil, err
	}
	var again retries
	var errs []error
	for i := range f.batch.Targets {
		y := &f.tries[min(i, len(f.tries)-1)] // a call's one try is everybody's
		t := f.batch.Targets[i]
		switch {
		case y.skipped:
			again.add(t, 0, now().Add(overflowWait(f.batch)))
		case y.handBack: // the process is stopping: the next one tries
			t.Doubt = true
			again.add(t, 0, now())
		default:
			errs = append(errs, f.judge(ctx, t, y, out, &again))
		}
	}
	return again.of(f.batch), errors.Join(errs...)
}

// judge decides what follows from a target's try. After an error the target has no row:
// the repeat of the message tries to learn the same again.
func (f *Flight) judge(ctx context.Context, t work.Target, y *try, out *chatbell.Results, again *retries) error {
	b := f.batch
	retry := &f.dispatcher.cfg.Retry
	t.Attempts++
	var v verdict
	if b.Call != nil {
		v = retry.judgeHook(t.Attempts, y)
	} else {
		v = retry.judgePush(t.Attempts, b.Notification.ExpiresAt, y)
	}
	a := b.Attempt(&t, &y.Try, v.outcome == "")
	f.report(&t, &a, v, y)
	if v.outcome == "" {
		out.Attempts = append(out.Attempts, a)
		t.Doubt = t.Doubt || y.Err.FateUnknown
		again.add(t, y.Err.RetryAfter, v.retryAt)
		return nil
	}
	if err := f.applyTokenFeedback(ctx, &t, y); err != nil {
		return err
	}
	out.Attempts = append(out.Attempts, a)
	if !b.IsRaw() {
		out.Deliveries = append(out.Deliveries, b.Delivery(&t, v.outcome, v.reason, &y.Try, f.dispatcher.cfg.Now()))
	}
	return nil
}

// report logs a try, and what ended with it. A call is one try of all whom it names.
func (f *Flight) report(t *work.Target, a *chatbell.Attempt, v verdict, y *try) {
	if f.batch.Call != nil && f.told {
		return
	}
	f.told = true
	f.dispatcher.cfg.Report.attempt(f.batch, a, y, v.retryAt)
	if v.outcome != "" {
		f.dispatcher.cfg.Report.failed(f.batch, t, v, y)
	}
}

// untried records targets that expired, or whose credential or endpoint was taken out of
// the configuration, while they waited.
func (f *Flight) untried(out *chatbell.Results) {
	outcome := chatbell.Failed
	reason := chatbell.Auth
	why := "not configured any more"
	switch {
	case f.batch.IsRaw():
		return
	case f.expired:
		outcome = chatbell.Expired
		reason = chatbell.ExpiredReason
		why = ""
	case f.batch.Call != nil:
		reason = chatbell.EndpointDisabled
	}
	for i := range f.batch.Targets {
		row := f.batch.Delivery(&f.batch.Targets[i], outcome, reason, nil, f.dispatcher.cfg.Now())
		row.ProviderReason = why
		if i == 0 || f.batch.Call == nil {
			f.dispatcher.cfg.Report.failed(f.batch, &f.batch.Targets[i], verdict{outcome: outcome, reason: reason}, nil)
		}
		out.Deliveries = append(out.Deliveries, row)
	}
}

// retries are the targets of a batch that are tried again. Those that were asked to wait
// equally long go together, when the last of them is due; nobody else waits for them.
type retries struct{ groups []retryGroup }

type retryGroup struct {
	asked   time.Duration
	due     time.Time
	targets []work.Target
}

func (r *retries) add(t work.Target, asked time.Duration, due time.Time) {
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
	r.groups = append(r.groups, retryGroup{asked, due, []work.Target{t}})
}

// of makes each group a batch of its own.
func (r *retries) of(b *work.Batch) []deferral {
	out := make([]deferral, len(r.groups))
	for i, g := range r.groups {
		part := *b
		part.Targets = g.targets
		out[i] = deferral{&part, g.due}
	}
	return out
}
