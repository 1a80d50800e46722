package deliver

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"chatbell"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/webhooks"
	"chatbell/pipeline/work"
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

// Observer counts what is sent. Implementations must be safe for concurrent use.
type Observer interface {
	// Tried is called for each attempt. The outcome is Accepted, Failed, or Cancelled where
	// the process stopped before the answer; the reason is empty when it was accepted.
	Tried(kind chatbell.TargetKind, outcome chatbell.Outcome, reason chatbell.Reason, took time.Duration)
}

// Config is what a dispatcher is made of. All fields are required.
type Config struct {
	Devices  Devices
	Caller   Caller
	Backlog  *Backlog
	Results  *ledger.Writer
	Retry    Retry
	Observer Observer
	Report   *Report
	Log      *slog.Logger
	Now      func() time.Time
}

// Dispatcher hands work to the queues of its destinations and settles what came of it.
// Safe for concurrent use.
type Dispatcher struct {
	cfg Config

	mu      sync.Mutex
	queues  map[work.Destination]*queue
	workers sync.WaitGroup // of the queues
}

// NewDispatcher makes a dispatcher. It starts nothing: workers run while there is work.
func NewDispatcher(c Config) *Dispatcher {
	return &Dispatcher{cfg: c, queues: map[work.Destination]*queue{}}
}

// Wait returns when no queue has work any more.
func (d *Dispatcher) Wait() { d.workers.Wait() }

// Submit queues a batch. When it returns, the order of its first tries is fixed. The
// share is how many tries a destination may have in flight while it says nothing.
func (d *Dispatcher) Submit(ctx context.Context, net *work.Network, b *work.Batch, share int) *Flight {
	f := &Flight{dispatcher: d, batch: b, net: net, done: make(chan struct{}), prepared: make([]prepared, len(b.Texts))}
	tasks, limit := f.tasks(ctx)
	if len(tasks) == 0 {
		close(f.done)
		return f
	}
	f.tries = make([]try, len(tasks))
	f.left.Store(int32(len(tasks))) //nolint:gosec // a batch is small
	if !d.queue(b.Destination, limit).put(ctx, tasks, share) {
		f.spilled = true
		close(f.done)
	}
	return f
}

func (d *Dispatcher) queue(to work.Destination, limit int) *queue {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.queues[to]
	if q == nil {
		q = newQueue(limit, &d.workers)
		d.queues[to] = q
	}
	return q
}
