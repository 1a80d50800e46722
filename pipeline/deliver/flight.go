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
// [Dispatcher.Settle] waits for it, for a while; then it is the dispatcher's own.
type Flight struct {
	dispatcher *Dispatcher
	batch      *work.Batch
	net        *work.Network // nil where it is not configured any more
	spilled    bool          // no place in memory: it waits in the backlog
	expired    bool          // it has waited for longer than it is worth a push
	overflowed bool          // there is no room for it in the backlog any more
	told       bool          // that the call failed: once for all whom it names

	// Of a batch that waited: its place in the backlog, whether it is tried before its
	// time, whether another process may have tried it, and the rows of those who must not
	// be told any more.
	place       int64
	row         string // its id there
	early       bool
	redelivered bool
	stopped     []chatbell.Delivery

	mu      sync.Mutex
	tries   []try
	ended   []bool     // of the tries
	settled []bool     // of the tries: somebody has settled it already
	adopted bool       // the dispatcher settles it
	again   []deferral // of tries that were settled while others were under way
	over    bool       // nothing was tried, and that has been settled

	left   atomic.Int32
	done   chan struct{}
	detach func() bool // from the message's context
	cancel context.CancelFunc

	prepared []prepared // the payloads, one for each language
}

func (d *Dispatcher) newFlight(b *work.Batch) *Flight {
	return &Flight{
		dispatcher: d,
		batch:      b,
		done:       make(chan struct{}),
		prepared:   make([]prepared, len(b.Texts)),
		detach:     func() bool { return true },
		cancel:     func() {},
	}
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
	if len(f.batch.Targets) == 0 || f.net == nil || f.overflowed {
		return nil, 0
	}
	if f.expired = f.tooLate(f.dispatcher.cfg.Now()); f.expired {
		return nil, 0
	}
	if f.batch.Call != nil {
		return f.callTasks(ctx)
	}
	destination := f.batch.Destination
	n, ok := f.net.Pushers[work.Credential{Provider: destination.Provider, App: destination.App}]
	if !ok {
		return nil, 0
	}
	ctx = push.WithTraceParent(f.attach(ctx), f.batch.Notification.TraceParent)
	tasks := make([]task, len(f.batch.Targets))
	f.expect(len(tasks))
	for i := range tasks {
		run := func(skip bool) answer {
			how := f.run(ctx, i, skip, func() (push.Receipt, error) { return f.push(ctx, n, i) })
			how.sandbox = f.batch.Targets[i].Sandbox
			return how
		}
		tasks[i] = task{key: f.batch.Targets[i].Token, run: run}
	}
	return tasks, streams(n)
}

func (f *Flight) callTasks(ctx context.Context) ([]task, int) {
	endpoint, ok := f.net.Endpoint(f.batch.Destination.Endpoint)
	if !ok {
		return nil, 0
	}
	ctx = f.attach(ctx)
	f.expect(1)
	run := func(skip bool) answer {
		return f.run(ctx, 0, skip, func() (push.Receipt, error) { return f.call(ctx, endpoint) })
	}
	return []task{{run: run}}, hookStreams
}

// host names the server of a push service that the batch goes to; empty for a webhook,
// and where nobody says.
func (f *Flight) host() string {
	if f.net == nil || f.batch.Call != nil {
		return ""
	}
	return f.net.Hosts[work.Credential{Provider: f.batch.Destination.Provider, App: f.batch.Destination.App}]
}

// streams asks a provider how many sends it can have under way.
func streams(n push.Notifier) int {
	if s, ok := n.(interface{ Streams() int }); ok {
		return s.Streams()
	}
	return 100 // what Google's front ends announce, the smallest number of the field
}

// tooLate reports whether the batch has waited for longer than it is worth a try.
func (f *Flight) tooLate(now time.Time) bool {
	n := &f.batch.Notification
	if f.batch.Call == nil {
		return now.After(n.ExpiresAt)
	}
	return f.place != 0 && now.Sub(n.AcceptedAt) > f.dispatcher.cfg.Retry.hookAge()
}

// attach makes the context of the tries: it ends with the message's as long as a handler
// waits for them.
func (f *Flight) attach(parent context.Context) context.Context {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	f.cancel = cancel
	f.detach = context.AfterFunc(parent, cancel)
	return ctx
}

// expect makes room for the tries.
func (f *Flight) expect(tries int) {
	f.tries = make([]try, tries)
	f.ended = make([]bool, tries)
	f.settled = make([]bool, tries)
}

// run makes one try, or skips it, notes what came of it, and says what it tells of the
// destination.
func (f *Flight) run(ctx context.Context, i int, skip bool, send func() (push.Receipt, error)) answer {
	one := try{skipped: true}
	if !skip {
		when := time.Now()
		var receipt push.Receipt
		err := ctx.Err()
		if err == nil {
			receipt, err = f.safely(send)
		}
		one = newTry(ctx, when, time.Since(when), receipt, err)
		f.dispatcher.cfg.Observer.Tried(f.batch.Destination.Kind(), one.outcome(), one.reason(), one.Took)
	}
	f.mu.Lock()
	f.tries[i] = one
	f.ended[i] = true
	f.mu.Unlock()
	if f.left.Add(-1) == 0 {
		f.finish()
	}
	return one.answer(f.batch.Call != nil)
}

// finish ends the flight: whoever waits for it settles it, or else the dispatcher does.
func (f *Flight) finish() {
	f.mu.Lock()
	adopted := f.adopted
	close(f.done)
	f.mu.Unlock()
	f.detach()
	f.cancel()
	if adopted {
		f.dispatcher.settler.add(f)
	}
}

// adopt makes the flight the dispatcher's own: no handler waits for it any more.
func (f *Flight) adopt(at placed) {
	f.detach()
	f.dispatcher.remember(f)
	f.mu.Lock()
	f.place = at.place
	f.row = at.id
	f.adopted = true
	over := f.left.Load() == 0 && isClosed(f.done)
	f.mu.Unlock()
	if over {
		f.dispatcher.settler.add(f)
	}
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// safely turns a panic into a failed try: it must not take the process, and all other
// networks, with it.
func (f *Flight) safely(send func() (push.Receipt, error)) (r push.Receipt, err error) {
	defer func() {
		if value := recover(); value != nil {
			f.dispatcher.cfg.Log.Error("a try panicked", "destination", f.batch.Destination, "panic", value, "stack", string(debug.Stack()))
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
