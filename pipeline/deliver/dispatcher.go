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
// stored token is the one that was sent and was registered before a time (when it died, or
// when the try began), and report whether they did.
type Devices interface {
	RemoveDeadDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, token string, before time.Time) (bool, error)
	DisableDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, token string, before time.Time, why chatbell.Reason) (bool, error)
	// EnableDevice takes DisableDevice back.
	EnableDevice(ctx context.Context, network chatbell.NetworkID, id chatbell.DeviceID, token string) (bool, error)
	DisableEndpoint(ctx context.Context, network chatbell.NetworkID, endpoint chatbell.Endpoint, why chatbell.Reason) error
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
	Networks    work.Networks
	Devices     Devices
	Eligibility *Eligibility
	Caller      Caller
	Waiting     Waiting
	Ledger      *ledger.Ledger
	Results     *ledger.Writer
	Retry       Retry
	Observer    Observer
	Report      *Report
	// Paused reports that nothing may be sent, because what came of it could not be
	// written down.
	Paused func() bool
	// Instance names this process: another one cannot know whether work that waits was
	// tried already.
	Instance string
	Log      *slog.Logger
	Now      func() time.Time
}

// Dispatcher hands work to the queues of its destinations and settles what came of it;
// what cannot be tried soon waits in the destinations' backlogs. Safe for concurrent use.
type Dispatcher struct {
	cfg     Config
	bells   *bells
	quiet   *quietShare
	settler *settler
	sweeper *sweeper

	hostsLock sync.Mutex       // may be taken while a queue's lock is held
	hosts     map[string]*host // by provider and name

	mu      sync.Mutex
	queues  map[work.Destination]*queue
	own     map[*Flight]struct{} // that no handler waits for
	workers sync.WaitGroup       // of the queues
}

// NewDispatcher makes a dispatcher. Run gives back what waits; workers run while there is
// work.
func NewDispatcher(c Config) *Dispatcher {
	dispatcher := &Dispatcher{cfg: c, bells: newBells(), queues: map[work.Destination]*queue{}, hosts: map[string]*host{}, own: map[*Flight]struct{}{}}
	dispatcher.quiet = &quietShare{sum: dispatcher.quietTries}
	dispatcher.settler = newSettler(dispatcher)
	dispatcher.sweeper = newSweeper(dispatcher)
	if c.Ledger != nil {
		c.Ledger.Consult(dispatcher)
	}
	return dispatcher
}

// Finish ends what is under way, when the handlers have gone and Run has returned: tries
// have until the context ends, then they are broken off. What was not decided stays in the
// backlogs.
func (d *Dispatcher) Finish(ctx context.Context) {
	stop := context.AfterFunc(ctx, d.breakOff)
	d.workers.Wait()
	stop()
	d.settler.finish(ctx)
}

// breakOff cancels the tries that no handler waits for.
func (d *Dispatcher) breakOff() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for flight := range d.own {
		flight.cancel()
	}
}

// remember keeps a flight that no handler waits for until it is settled.
func (d *Dispatcher) remember(f *Flight) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.own[f] = struct{}{}
}

func (d *Dispatcher) forget(f *Flight) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.own, f)
}

// Submit queues a batch. When it returns, the order of its first tries is fixed. Degraded
// is how many tries a destination may have in flight while it says nothing.
func (d *Dispatcher) Submit(ctx context.Context, net *work.Network, b *work.Batch, degraded int) *Flight {
	flight := d.newFlight(b)
	flight.net = net
	tasks, limit := flight.tasks(ctx)
	if len(tasks) == 0 {
		close(flight.done)
		return flight
	}
	flight.left.Store(int32(len(tasks)))
	line := d.queue(b.Destination)
	d.join(line, net)
	if !line.put(ctx, tasks, limit, degraded) {
		flight.spilled = true
		close(flight.done)
	}
	return flight
}

// queue finds a destination's queue.
func (d *Dispatcher) queue(destination work.Destination) *queue {
	d.mu.Lock()
	defer d.mu.Unlock()
	line := d.queues[destination]
	if line == nil {
		line = newQueue(destination, &d.workers, d.quiet, d.cfg.Log, func() { d.bells.ring(destination) })
		line.tooLong = d.sweeper.tooLong
		d.queues[destination] = line
	}
	return line
}

// join tells a destination's queue with which network it works, and makes it one of those
// that speak to the same host. Webhooks have none: the endpoints of several customers may
// be paths of one host, each with faults of its own, and whoever lets a few of them hang
// could stop those of everybody else.
func (d *Dispatcher) join(line *queue, net *work.Network) {
	line.mu.Lock()
	defer line.mu.Unlock()
	if line.net == net || net == nil {
		return
	}
	if line.refused.holding {
		line.drainAll() // whoever changed the credential may have mended it
	}
	line.refused = refusals{}
	line.net = net
	name := net.Hosts[work.Credential{Provider: line.to.Provider, App: line.to.App}]
	if name == "" || line.to.Endpoint != "" {
		line.host = nil
		return
	}
	line.host = d.host(line.to.Kind(), name)
	line.returns = line.host.returned.Load()
}

// host finds the push service that has a name.
func (d *Dispatcher) host(target chatbell.TargetKind, name string) *host {
	d.hostsLock.Lock()
	defer d.hostsLock.Unlock()
	key := string(target) + " " + name
	one := d.hosts[key]
	if one == nil {
		one = &host{name: name, target: target, log: d.cfg.Log, silent: map[*queue]struct{}{}}
		d.hosts[key] = one
	}
	return one
}

// quietTries is what the quiet destinations have in memory.
func (d *Dispatcher) quietTries(now time.Time) int {
	sum := 0
	for _, line := range d.all() {
		line.mu.Lock()
		if held := line.inMemory(); line.breaker.quiet(held > 0, now) {
			sum += held
		}
		line.mu.Unlock()
	}
	return sum
}

// all are the queues.
func (d *Dispatcher) all() []*queue {
	d.mu.Lock()
	defer d.mu.Unlock()
	queues := make([]*queue, 0, len(d.queues))
	for _, line := range d.queues {
		queues = append(queues, line)
	}
	return queues
}
