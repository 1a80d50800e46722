package pipeline

import (
	"context"
	"log/slog"
	"runtime/debug"
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
	expired bool // it has waited for longer than it is worth a push
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
			return h.run(ctx, 0, skip, func() (push.Receipt, error) { return h.call(ctx, ep) })
		}
		return []task{{run: run}}, hookStreams
	}
	n, ok := h.net.Pushers[Credential{d.Provider, d.App}]
	if !ok {
		return nil, 0
	}
	if h.expired = h.s.now().After(h.batch.Notification.ExpiresAt); h.expired {
		return nil, 0
	}
	ctx = push.WithTraceParent(ctx, h.batch.Notification.TraceParent)
	tasks = make([]task, len(h.batch.Targets))
	for i := range tasks {
		run := func(skip bool) bool {
			return h.run(ctx, i, skip, func() (push.Receipt, error) { return h.push(ctx, n, i) })
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
func (h *handed) run(ctx context.Context, i int, skip bool, send func() (push.Receipt, error)) bool {
	y := try{skipped: true}
	if !skip {
		at := time.Now()
		var receipt push.Receipt
		err := ctx.Err()
		if err == nil {
			receipt, err = h.safely(send)
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

// safely turns a panic into a failed try: it must not take the process, and all other
// networks, with it.
func (h *handed) safely(send func() (push.Receipt, error)) (r push.Receipt, err error) {
	defer func() {
		if v := recover(); v != nil {
			h.s.log.Error("a try panicked", "destination", h.batch.Destination, "error", panicError(v, debug.Stack()))
			err = &chatbell.SendError{Reason: chatbell.Other, FateUnknown: true}
		}
	}()
	return send()
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
