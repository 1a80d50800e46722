package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/webhooks"
)

// Devices is what a provider's word about a token changes. Both act only where the
// stored token is the one that was sent, and report whether they did.
type Devices interface {
	RemoveDeadDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, token string, deadSince time.Time) (bool, error)
	DisableDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, token string, why chatbell.Reason) (bool, error)
	DisableEndpoint(ctx context.Context, network chatbell.NetworkID, id chatbell.EndpointID, why chatbell.Reason) error
}

// Caller calls a customer's webhook. A nil error means that it accepted.
type Caller interface {
	Deliver(ctx context.Context, ep chatbell.Endpoint, call webhooks.Call) (status int, err error)
}

// sender hands work to the queues of its destinations and settles what came of it.
type sender struct {
	devices Devices
	caller  Caller
	later   *later
	retry   Retry
	now     func() time.Time
	log     *slog.Logger
	metrics Observer
	results *ResultWriter

	mu     sync.Mutex
	queues map[Destination]*queue
	wg     sync.WaitGroup // the queues' workers
}

// handed is a batch on its way: one try for each target, or one for the whole call.
type handed struct {
	s       *sender
	batch   *Batch
	net     *Network
	spilled bool // no place in memory: it waits in the store
	tries   []try
	left    atomic.Int32
	done    chan struct{}

	prepared []prepared // the payloads, one for each language
}

type prepared struct {
	once    sync.Once
	payload push.Payload
	err     error
}

// submit queues a batch. When it returns, the order of its first tries is fixed. The
// share is how many tries a destination may have in hand while it says nothing.
func (s *sender) submit(ctx context.Context, net *Network, b *Batch, share int) *handed {
	h := &handed{s: s, batch: b, net: net, done: make(chan struct{}), prepared: make([]prepared, len(b.Texts))}
	tasks, limit := h.tasks(ctx)
	if len(tasks) == 0 {
		close(h.done)
		return h
	}
	h.tries = make([]try, len(tasks))
	h.left.Store(int32(len(tasks))) //nolint:gosec // a batch is small
	if !s.queue(b.Destination, limit).put(ctx, tasks, share) {
		h.spilled = true
		close(h.done)
	}
	return h
}

func (s *sender) queue(d Destination, limit int) *queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[d]
	if q == nil {
		q = newQueue(limit, &s.wg)
		s.queues[d] = q
	}
	return q
}

// hookStreams is how many calls one endpoint gets at a time: enough to hide a
// customer's latency, few enough not to be an attack.
const hookStreams = 32

// tasks are the tries of the batch. A batch whose destination is not configured any
// more has none; settle gives its targets their rows.
func (h *handed) tasks(ctx context.Context) (tasks []task, limit int) {
	if len(h.batch.Targets) == 0 {
		return nil, 0
	}
	d := h.batch.Destination
	if h.batch.Call != nil {
		ep, ok := h.net.endpoint(d.Endpoint)
		if !ok {
			return nil, 0
		}
		run := func(skip bool) bool {
			return h.run(0, skip, func() (push.Receipt, error) { return h.call(ctx, ep) }, ctx)
		}
		return []task{{run: run}}, hookStreams
	}
	n, ok := h.net.Pushers[Credential{d.Provider, d.App}]
	if !ok {
		return nil, 0
	}
	ctx = push.WithTraceParent(ctx, h.batch.Notification.TraceParent)
	tasks = make([]task, len(h.batch.Targets))
	for i := range tasks {
		run := func(skip bool) bool {
			return h.run(i, skip, func() (push.Receipt, error) { return h.push(ctx, n, i) }, ctx)
		}
		tasks[i] = task{h.batch.Targets[i].Token, run}
	}
	return tasks, streams(n)
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
func (h *handed) run(i int, skip bool, send func() (push.Receipt, error), ctx context.Context) bool { //nolint:revive // the closure reads better first
	y := try{skipped: true}
	if !skip {
		at := time.Now()
		var receipt push.Receipt
		err := ctx.Err()
		if err == nil {
			receipt, err = send()
		}
		y = newTry(ctx, at, time.Since(at), receipt, err)
		h.s.metrics.Tried(h.batch.Destination.Kind(), y.reason(), y.took)
	}
	h.tries[i] = y
	if h.left.Add(-1) == 0 {
		close(h.done)
	}
	return y.answered()
}

// push sends to one device. The payload is encoded once for each language.
func (h *handed) push(ctx context.Context, n push.Notifier, i int) (push.Receipt, error) {
	t := &h.batch.Targets[i]
	p := &h.prepared[t.Text]
	p.once.Do(func() { p.payload, p.err = n.Prepare(h.batch.notification(t.Text)) })
	if p.err != nil {
		return push.Receipt{}, p.err
	}
	return n.Send(ctx, p.payload, push.Target{Token: t.Token, Sandbox: t.Sandbox})
}

// notification is the batch in the provider-neutral form, in one language.
func (b *Batch) notification(text int) *push.Notification {
	n, t := &b.Notification, &b.Texts[text]
	data := map[string]string{"network": string(n.Network), "event_id": string(n.EventID), "event_type": string(n.EventType)}
	if n.ChannelID != "" {
		data["channel_id"] = string(n.ChannelID)
	}
	if b.MessageID != "" {
		data["message_id"] = b.MessageID
	}
	return &push.Notification{
		Title: t.Title, Body: t.Body, CollapseID: n.CollapseID, ThreadID: string(n.ChannelID),
		Data: data, ExpiresAt: n.ExpiresAt, Badge: b.Badge,
	}
}

// call makes one call of a webhook.
func (h *handed) call(ctx context.Context, ep chatbell.Endpoint) (push.Receipt, error) {
	body, err := h.batch.body()
	if err != nil {
		return push.Receipt{}, &chatbell.SendError{Reason: chatbell.Other, Err: err}
	}
	status, err := h.s.caller.Deliver(ctx, ep, webhooks.Call{
		ID: h.batch.ID, Attempt: int(h.batch.Targets[0].Attempts) + 1, Body: body, TraceParent: h.batch.Notification.TraceParent,
	})
	return push.Receipt{Status: status}, err
}

// settleTime bounds the writes that settle finished work while the process stops.
const settleTime = 10 * time.Second

// wait returns when every target has had its try, adds the finished rows to out,
// and puts what has to be tried again into the store. It finishes even when ctx
// ends: what a provider accepted has to be recorded, and what was not tried waits
// in the store for the next process.
func (h *handed) wait(ctx context.Context, out *chatbell.Results) error {
	<-h.done // the tries see the same context, so they end soon after it does
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	b := h.batch
	if h.spilled {
		return h.s.later.put(ctx, b, h.s.now().Add(b.spillWait()))
	}
	if h.tries == nil {
		h.unconfigured(out)
		return nil
	}
	again, due, err := h.settle(ctx, out)
	if err != nil || len(again) == 0 {
		return err
	}
	rest := *b
	rest.Targets = again
	return h.s.later.put(ctx, &rest, due)
}

// unconfigured records targets whose credential or endpoint was taken out of the
// configuration while they waited.
func (h *handed) unconfigured(out *chatbell.Results) {
	reason := chatbell.Auth
	if h.batch.Call != nil {
		reason = chatbell.EndpointDisabled
	}
	for i := range h.batch.Targets {
		if h.batch.isRaw() {
			break
		}
		row := h.batch.delivery(&h.batch.Targets[i], verdict{outcome: chatbell.Failed, reason: reason}, nil, h.s.now())
		row.ProviderReason = "not configured any more"
		out.Deliveries = append(out.Deliveries, row)
	}
}

// settle turns tries into rows. It returns the targets to try again, and when.
func (h *handed) settle(ctx context.Context, out *chatbell.Results) (again []Target, due time.Time, err error) {
	b := h.batch
	for i := range b.Targets {
		y := &h.tries[min(i, len(h.tries)-1)] // a call's one try is everybody's
		t := b.Targets[i]
		if y.skipped {
			again, due = append(again, t), latest(due, h.s.now().Add(b.spillWait()))
			continue
		}
		if y.handBack { // the process is stopping: the next one tries
			t.Doubt = true
			again, due = append(again, t), latest(due, h.s.now())
			continue
		}
		t.Attempts++
		var v verdict
		if b.Call != nil {
			v = h.s.retry.judgeHook(t.Attempts, y)
		} else {
			v = h.s.retry.judgePush(t.Attempts, b.Notification.ExpiresAt, y)
		}
		out.Attempts = append(out.Attempts, b.attempt(&t, y, v.outcome == ""))
		if v.outcome != "" {
			if !b.isRaw() {
				out.Deliveries = append(out.Deliveries, b.delivery(&t, v, y, h.s.now()))
			}
			if err := h.learn(ctx, &t, y); err != nil {
				return nil, due, err
			}
			continue
		}
		t.Doubt = t.Doubt || y.err.FateUnknown
		again = append(again, t)
		due = latest(due, v.retryAt) // what is tried again together waits for its last
	}
	return again, due, nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// learn applies what a refusal says about the token or the endpoint.
func (h *handed) learn(ctx context.Context, t *Target, y *try) error {
	if y.err == nil {
		return nil
	}
	n := h.batch.Notification.Network
	var err error
	var acted bool
	switch {
	case h.batch.Call != nil:
		if y.err.Reason == chatbell.EndpointDisabled {
			err = h.s.devices.DisableEndpoint(ctx, n, h.batch.Destination.Endpoint, chatbell.EndpointDisabled)
		}
	case y.err.Reason == chatbell.Unregistered:
		acted, err = h.s.devices.RemoveDeadDevice(ctx, n, t.Device, t.Token, y.err.DeadSince)
	case y.err.Reason == chatbell.InvalidToken:
		acted, err = h.s.devices.DisableDevice(ctx, n, t.Device, t.Token, chatbell.InvalidToken)
	}
	if err != nil {
		return fmt.Errorf("store what %s said of a token: %w", h.batch.Destination, err)
	}
	if acted {
		h.s.log.Info("push token is dead", "network", n, "user", t.User, "device", t.Device,
			"reason", y.err.Reason, "provider_reason", y.err.ProviderReason)
		return h.tellDead(ctx, t, y.err, h.s.now())
	}
	return nil
}

// finish waits for everything that was handed to the queues and makes the rows
// durable. After that the message behind them may be acknowledged.
func (s *sender) finish(ctx context.Context, work []*handed, out *chatbell.Results) error {
	var errs []error
	for _, h := range work {
		errs = append(errs, h.wait(ctx, out))
	}
	// Rows are written even where a batch could not be settled: what was accepted is
	// accepted, and the repeat finds it in the records.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	return errors.Join(append(errs, s.results.Write(ctx, out))...)
}
