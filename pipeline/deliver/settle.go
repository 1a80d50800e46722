package deliver

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"chatbell"
	"chatbell/pipeline/work"
)

// park takes what is still in flight, to be put into the backlog: it is due only when
// the process that tries it has gone.
func (f *Flight) park() (deferral, bool) {
	if f.spilled {
		return deferral{}, false // all of it waits already
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var rest []work.Target
	for i := range f.batch.Targets {
		if f.settled != nil && !f.settled[min(i, len(f.settled)-1)] {
			t := f.batch.Targets[i]
			t.Doubt = true
			rest = append(rest, t)
		}
	}
	if len(rest) == 0 {
		return deferral{}, false
	}
	part := *f.batch
	part.Targets = rest
	return deferral{batch: &part, due: f.dispatcher.cfg.Now().Add(resend), underWay: true}, true
}

// settle adds the finished rows of the tries that have ended to out, and returns what has
// to be tried again.
func (f *Flight) settle(ctx context.Context, out *chatbell.Results) ([]deferral, error) {
	now := f.dispatcher.cfg.Now
	switch {
	case f.over:
		return nil, nil
	case f.spilled:
		f.over = true
		return []deferral{{batch: f.batch, due: now()}}, nil
	case f.tries == nil:
		f.over = true
		f.untried(out)
		return nil, nil
	}
	ended := f.takeEnded()
	if len(ended) == 0 {
		return nil, nil
	}
	unlearned := f.applyEndpointFeedback(ctx)
	var again retries
	var errs []error
	for _, i := range ended {
		tried := &f.tries[min(i, len(f.tries)-1)] // a call's one try is everybody's
		t := f.batch.Targets[i]
		err := unlearned
		switch {
		case err != nil:
		case tried.skipped:
			again.add(t, 0, now())
		case tried.handBack: // the process is stopping: the next one tries
			t.Doubt = true
			again.add(t, 0, now())
		default:
			err = f.judge(ctx, t, tried, out, &again)
		}
		if err != nil && f.adopted { // nobody repeats the message: the try is made again
			f.dispatcher.cfg.Log.Warn("what a try told cannot be stored; it is made again", "destination", f.batch.Destination, "error", err)
			again.add(t, 0, now().Add(drainPause))
			err = nil
		}
		errs = append(errs, err)
	}
	return again.of(f.batch), errors.Join(errs...)
}

// takeEnded are the targets whose tries have ended and were not settled before.
func (f *Flight) takeEnded() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ended []int
	for i := range f.batch.Targets {
		pos := min(i, len(f.tries)-1)
		if f.ended[pos] && !f.settled[pos] {
			ended = append(ended, i)
		}
	}
	copy(f.settled, f.ended)
	return ended
}

// judge decides what follows from a target's try. After an error the target has no row:
// the repeat of the message tries to learn the same again.
func (f *Flight) judge(ctx context.Context, t work.Target, tried *try, out *chatbell.Results, again *retries) error {
	b := f.batch
	retry := &f.dispatcher.cfg.Retry
	t.Attempts++
	if f.early {
		t.Probes++
	}
	policy := f.tokenPolicy(ctx, &t, tried)
	asked := time.Duration(0)
	var decided verdict
	switch {
	case b.Call != nil:
		decided = retry.judgeHook(t.Attempts-t.Probes, tried)
	case policy == holdPush:
		asked = holdWait // and so the last of the batch's parts: others have their turn first
		decided = judgeHeld(b.Notification.ExpiresAt, tried)
	default:
		decided = retry.judgePush(t.Attempts-t.Probes, b.Notification.ExpiresAt, tried)
	}
	attempt := b.Attempt(&t, &tried.Try, decided.outcome == "")
	f.report(&t, &attempt, decided, tried)
	if decided.outcome == "" {
		out.Attempts = append(out.Attempts, attempt)
		t.Doubt = t.Doubt || tried.Err.FateUnknown
		again.add(t, max(tried.Err.RetryAfter, asked), decided.retryAt)
		return nil
	}
	if err := f.applyTokenFeedback(ctx, &t, tried, policy); err != nil {
		return err
	}
	out.Attempts = append(out.Attempts, attempt)
	if !b.IsRaw() {
		out.Deliveries = append(out.Deliveries, b.Delivery(&t, decided.outcome, decided.reason, &tried.Try, f.dispatcher.cfg.Now()))
	}
	return nil
}

// report logs a try, and what ended with it. A call is one try of all whom it names.
func (f *Flight) report(t *work.Target, a *chatbell.Attempt, decided verdict, tried *try) {
	if f.batch.Call != nil && f.told {
		return
	}
	f.told = true
	f.dispatcher.cfg.Report.attempt(f.batch, f.host(), a, tried, decided.retryAt)
	if decided.outcome != "" {
		f.dispatcher.cfg.Report.failed(f.batch, f.host(), t, decided, tried)
	}
}

// untried records targets that expired, that fell out of the backlog, or whose credential or endpoint was taken out of
// the configuration, while they waited.
func (f *Flight) untried(out *chatbell.Results) {
	outcome := chatbell.Failed
	reason := chatbell.Auth
	why := "not configured any more"
	switch {
	case f.batch.IsRaw():
		return
	case f.overflowed:
		reason = chatbell.Unavailable
		why = "the backlog is full"
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
			f.dispatcher.cfg.Report.failed(f.batch, f.host(), &f.batch.Targets[i], verdict{outcome: outcome, reason: reason}, nil)
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

// of makes each group a batch of its own: the first, which keeps the place of the whole, is
// the one that was not asked to wait, or the least.
func (r *retries) of(b *work.Batch) []deferral {
	slices.SortStableFunc(r.groups, func(a, b retryGroup) int { return cmp.Compare(a.asked, b.asked) })
	out := make([]deferral, len(r.groups))
	for i, g := range r.groups {
		part := *b
		part.Targets = g.targets
		out[i] = deferral{batch: &part, due: g.due}
	}
	return out
}
