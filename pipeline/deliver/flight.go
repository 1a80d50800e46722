package deliver

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/webhooks"
	"chatbell/pipeline/work"
)

// Flight is a batch in flight: one try for each target, or one for the whole call.
// [Dispatcher.Settle] waits for it.
type Flight struct {
	dispatcher *Dispatcher
	batch      *work.Batch
	net        *work.Network
	spilled    bool // no place in memory: it waits in the store
	expired    bool // it has waited for longer than it is worth a push
	tries      []try
	told       bool // that the call failed: once for all whom it names
	left       atomic.Int32
	done       chan struct{}

	prepared []prepared // the payloads, one for each language
}

type prepared struct {
	once    sync.Once
	payload push.Payload
	err     error
}

// hookStreams is how many calls one endpoint gets at a time: enough to hide a
// customer's latency, few enough not to be an attack.
const hookStreams = 32

// tasks are the tries of the batch, and how many of them its destination takes at once.
// A batch whose destination is not configured any more has none; settle gives its targets
// their rows.
func (f *Flight) tasks(ctx context.Context) ([]task, int) {
	if len(f.batch.Targets) == 0 {
		return nil, 0
	}
	if f.batch.Call != nil {
		return f.callTasks(ctx)
	}
	to := f.batch.Destination
	n, ok := f.net.Pushers[work.Credential{Provider: to.Provider, App: to.App}]
	if !ok {
		return nil, 0
	}
	if f.expired = f.dispatcher.cfg.Now().After(f.batch.Notification.ExpiresAt); f.expired {
		return nil, 0
	}
	ctx = push.WithTraceParent(ctx, f.batch.Notification.TraceParent)
	tasks := make([]task, len(f.batch.Targets))
	for i := range tasks {
		run := func(skip bool) bool {
			return f.run(ctx, i, skip, func() (push.Receipt, error) { return f.push(ctx, n, i) })
		}
		tasks[i] = task{f.batch.Targets[i].Token, run}
	}
	return tasks, streams(n)
}

func (f *Flight) callTasks(ctx context.Context) ([]task, int) {
	ep, ok := f.net.Endpoint(f.batch.Destination.Endpoint)
	if !ok {
		return nil, 0
	}
	run := func(skip bool) bool {
		return f.run(ctx, 0, skip, func() (push.Receipt, error) { return f.call(ctx, ep) })
	}
	return []task{{run: run}}, hookStreams
}

// streams asks a provider how many sends it can have under way.
func streams(n push.Notifier) int {
	if s, ok := n.(interface{ Streams() int }); ok {
		return s.Streams()
	}
	return 100 // what Google's front ends announce, the smallest number of the field
}

// run makes one try, or skips it, and notes what came of it. It reports whether the
// destination said anything.
func (f *Flight) run(ctx context.Context, i int, skip bool, send func() (push.Receipt, error)) bool {
	y := try{skipped: true}
	if !skip {
		at := time.Now()
		var receipt push.Receipt
		err := ctx.Err()
		if err == nil {
			receipt, err = f.safely(send)
		}
		y = newTry(ctx, at, time.Since(at), receipt, err)
		f.dispatcher.cfg.Observer.Tried(f.batch.Destination.Kind(), y.outcome(), y.reason(), y.Took)
	}
	f.tries[i] = y
	if f.left.Add(-1) == 0 {
		close(f.done)
	}
	return y.answered()
}

// safely turns a panic into a failed try: it must not take the process, and all other
// networks, with it.
func (f *Flight) safely(send func() (push.Receipt, error)) (r push.Receipt, err error) {
	defer func() {
		if v := recover(); v != nil {
			f.dispatcher.cfg.Log.Error("a try panicked", "destination", f.batch.Destination, "panic", v, "stack", string(debug.Stack()))
			err = &chatbell.SendError{Reason: chatbell.Other, FateUnknown: true}
		}
	}()
	return send()
}

// push sends to one device. The payload is encoded once for each language.
func (f *Flight) push(ctx context.Context, n push.Notifier, i int) (push.Receipt, error) {
	t := &f.batch.Targets[i]
	p := &f.prepared[t.Text]
	p.once.Do(func() { p.payload, p.err = n.Prepare(content(f.batch, t.Text)) })
	if p.err != nil {
		return push.Receipt{}, p.err
	}
	return n.Send(ctx, p.payload, push.Target{Token: t.Token, Sandbox: t.Sandbox})
}

// call makes one call of a webhook.
func (f *Flight) call(ctx context.Context, ep chatbell.Endpoint) (push.Receipt, error) {
	body, err := callBody(f.batch)
	if err != nil {
		return push.Receipt{}, &chatbell.SendError{Reason: chatbell.Other, Err: err}
	}
	status, err := f.dispatcher.cfg.Caller.Deliver(ctx, ep, webhooks.Call{
		ID:          f.batch.ID,
		Attempt:     int(f.batch.Targets[0].Attempts) + 1,
		Body:        body,
		TraceParent: f.batch.Notification.TraceParent,
	})
	return push.Receipt{Status: status}, err
}
