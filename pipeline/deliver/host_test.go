package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/polltest"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/push"
	"chatbell/pipeline/work"
)

// service is a push service with a credential for each network; those that are away say
// nothing until their tries time out.
type service struct {
	mu       sync.Mutex
	away     func(network chatbell.NetworkID) bool
	answer   func(t push.Target) error // of one that is not away; nil accepts
	begun    []begun
	accepted map[string]int // by token
}

type begun struct {
	network chatbell.NetworkID
	at      time.Time
}

// silence is how long a try takes that nobody answers.
const silence = 500 * time.Millisecond

type credential struct {
	*service
	network chatbell.NetworkID
}

func (credential) Prepare(*push.Content) (push.Payload, error) { return nil, nil }

func (c credential) Send(ctx context.Context, _ push.Payload, t push.Target) (push.Receipt, error) {
	c.mu.Lock()
	away := c.away != nil && c.away(c.network)
	c.begun = append(c.begun, begun{c.network, time.Now()})
	c.mu.Unlock()
	if away {
		select {
		case <-time.After(silence):
		case <-ctx.Done():
		}
		return push.Receipt{}, &chatbell.SendError{Reason: chatbell.Timeout, Retry: true, Err: errors.New("no answer")}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answer != nil {
		if err := c.answer(t); err != nil {
			return push.Receipt{}, err
		}
	}
	c.accepted[t.Token]++
	return push.Receipt{Status: 200}, nil
}

func (c *service) set(away func(chatbell.NetworkID) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = away
}

// tries are those that were begun since a time.
func (c *service) tries(since time.Time) []begun {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, one := range c.begun {
		if !one.at.Before(since) {
			return append([]begun{}, c.begun[i:]...)
		}
	}
	return nil
}

func (c *service) acceptedOnce() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, times := range c.accepted {
		if times == 1 {
			n++
		}
	}
	return n
}

// world is a dispatcher on a real store, with networks that share a push service.
type world struct {
	*Dispatcher
	t      *testing.T
	store  *sqlite.Store
	nets   networks
	log    *logged
	events int
	flying sync.WaitGroup

	mu   sync.Mutex
	rows []chatbell.Delivery
}

// ended are the rows that were written so far.
func (w *world) ended() []chatbell.Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.rows)
}

type networks map[chatbell.NetworkID]*work.Network

func (n networks) Network(id chatbell.NetworkID) (*work.Network, bool) {
	net, ok := n[id]
	return net, ok
}

// newWorld starts one whose networks are n0, n1, … at the service's host, and "other" at
// another host.
func newWorld(t *testing.T, at *service, count int) *world {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "db")})
	if err != nil {
		t.Fatal(err)
	}
	at.accepted = map[string]int{}
	name := work.Credential{Provider: chatbell.ProviderAPNs, App: "chat"}
	nets := networks{}
	add := func(id chatbell.NetworkID, host string) {
		nets[id] = &work.Network{ID: id, Pushers: map[work.Credential]push.Notifier{name: credential{at, id}}, Hosts: map[work.Credential]string{name: host}}
	}
	for i := range count {
		add(chatbell.NetworkID(fmt.Sprint("n", i)), "push.example")
	}
	add("other", "other.example")
	writer := ledger.NewWriter(nothing{})
	w := &world{t: t, store: s, nets: nets, log: newLogged(slog.LevelInfo)}
	writer.Finished = func(rows []chatbell.Delivery) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.rows = append(w.rows, rows...)
	}
	w.Dispatcher = NewDispatcher(Config{
		Networks: nets, Devices: s, Eligibility: NewEligibility(s, time.Now), Waiting: s, Ledger: ledger.New(&results{}, time.Now), Results: writer, Retry: DefaultRetry(),
		Observer: nothing{}, Report: NewReport(w.log.log, time.Now), Paused: func() bool { return false }, Instance: "this", Log: w.log.log, Now: time.Now,
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	draining, stop := context.WithCancel(ctx)
	var running, writing sync.WaitGroup
	writing.Go(func() { writer.Run(ctx) })
	running.Go(func() { w.Run(draining) })
	t.Cleanup(func() {
		at.set(nil)
		w.flying.Wait()
		stop()
		running.Wait()
		w.Finish(context.WithoutCancel(t.Context()))
		cancel()
		writing.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// send tells devices of a network of one event, as a stage does. It registers them first.
func (w *world) send(network chatbell.NetworkID, devices int) {
	w.t.Helper()
	w.submit(w.batch(network, devices))
}

// batch is an event for new devices of a network.
func (w *world) batch(network chatbell.NetworkID, devices int) *work.Batch {
	w.t.Helper()
	w.events++
	now := time.Now()
	registered := now
	b := &work.Batch{
		Notification: chatbell.Notification{Network: network, EventID: chatbell.EventID(fmt.Sprint("e", w.events)), AcceptedAt: now, ExpiresAt: now.Add(time.Hour)},
		Destination:  work.Destination{Network: network, Provider: chatbell.ProviderAPNs, App: "chat"},
		Texts:        []chatbell.Text{{Locale: "en"}},
	}
	for i := range devices {
		id := fmt.Sprint(network, "-", w.events, "-", i)
		d, err := w.store.RegisterDevice(w.t.Context(), network, chatbell.Device{ID: chatbell.DeviceID(id), User: "u", Provider: chatbell.ProviderAPNs, App: "chat", Token: id})
		if err != nil {
			w.t.Fatal(err)
		}
		registered = d.RegisteredAt
		b.Targets = append(b.Targets, work.Target{User: d.User, Device: d.ID, Token: d.Token})
	}
	w.until("the next millisecond: a device that is as young as the try is spared", func() bool { return time.Now().UnixMilli() > registered.UnixMilli() })
	return b
}

func (w *world) submit(b *work.Batch) {
	w.t.Helper()
	flight := w.Submit(w.t.Context(), w.nets[b.Notification.Network], b, 64)
	w.flying.Go(func() {
		if err := w.Settle(context.WithoutCancel(w.t.Context()), []*Flight{flight}, new(chatbell.Results)); err != nil {
			w.t.Error(err)
		}
	})
}

func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	polltest.Until(w.t, what, ok)
}

// timers is how many destinations have a timer of their own running.
func (w *world) timers() int {
	n := 0
	for _, line := range w.all() {
		line.mu.Lock()
		if !line.backlog.next.IsZero() {
			n++
		}
		line.mu.Unlock()
	}
	return n
}

// A push service has an outage, and a hundred networks speak to it. It opens one breaker:
// the hundred take turns with a probe a second, have no timers of their own, and those of
// another service go on. The first success lets all that waits out at once.
func TestOutageOfAPushService(t *testing.T) {
	const count, devices = 100, 3
	push := &service{away: func(id chatbell.NetworkID) bool { return id != "other" }}
	w := newWorld(t, push, count)
	for i := range count {
		w.send(chatbell.NetworkID(fmt.Sprint("n", i)), devices)
	}
	w.until("the outage is noticed", func() bool { return len(w.Degraded()) == 1 })
	noticed := time.Now()
	w.until("nobody has a timer of their own", func() bool { return w.timers() == 0 })
	w.until("what was begun before has ended, and probes are made", func() bool { return len(push.tries(noticed.Add(silence))) >= 6 })
	probes := push.tries(noticed.Add(silence)) // those before may have been on their way
	if took := probes[5].at.Sub(probes[0].at); took < 4*time.Second {
		t.Errorf("6 probes within %v: a hundred destinations must not ask more often than one a second", took)
	}
	asked := map[chatbell.NetworkID]bool{}
	for _, one := range probes {
		asked[one.network] = true
	}
	if len(asked) < len(probes)-1 {
		t.Errorf("%d probes were of %d networks only: they have to take turns", len(probes), len(asked))
	}
	w.send("other", devices)
	w.until("the other service's phones are told", func() bool { return push.acceptedOnce() == devices })
	w.send("n0", devices) // waits with the others
	push.set(nil)
	w.until("all that waited is sent", func() bool { return push.acceptedOnce() == (count+2)*devices })
	w.until("nothing waits", func() bool {
		left, err := w.store.Backlogs(t.Context())
		return err == nil && len(left) == 0
	})
	if words := w.Degraded(); len(words) != 0 {
		t.Errorf("after the outage: %v", words)
	}
	if n := push.acceptedOnce(); n != len(push.accepted) {
		t.Errorf("%d of %d phones were told once", n, len(push.accepted))
	}
}

// One credential whose tries hang is its own network's trouble: its neighbours at the same
// host are told, and the host is not taken to be away.
func TestHangingCredentialHarmsNoNeighbour(t *testing.T) {
	const neighbours, events = 9, 20
	push := &service{away: func(id chatbell.NetworkID) bool { return id == "n0" }}
	w := newWorld(t, push, 1+neighbours)
	for range events {
		w.send("n0", 1)
	}
	w.until("its breaker opens", func() bool { return w.Load()[0].Open == 1 })
	opened := time.Now()
	w.until("its probes fail", func() bool { return len(push.tries(opened)) > probes })
	before := push.acceptedOnce()
	for i := range events {
		if words := w.Degraded(); len(words) > 0 {
			t.Fatalf("one hanging credential: %v", words)
		}
		for n := range neighbours {
			w.send(chatbell.NetworkID(fmt.Sprint("n", n+1)), 1)
		}
		want := before + (i+1)*neighbours
		w.until("the neighbours are told", func() bool { return push.acceptedOnce() >= want })
	}
}

// Several credentials hang while their neighbours have nothing to send, so that the host
// seems to be away: the first message of a neighbour is not held up behind their probes,
// and shows that the host answers.
func TestHostAnswersAnotherDestination(t *testing.T) {
	const hanging = 2 * hostProbes
	push := &service{away: func(id chatbell.NetworkID) bool { return id != "n0" && id != "other" }}
	w := newWorld(t, push, 1+hanging)
	for i := range hanging {
		w.send(chatbell.NetworkID(fmt.Sprint("n", i+1)), 2)
	}
	w.until("the host is taken to be away", func() bool { return len(w.Degraded()) == 1 })
	w.send("n0", 1)
	w.until("the neighbour is told", func() bool { return push.acceptedOnce() == 1 })
	w.until("the host's breaker is closed", func() bool { return len(w.Degraded()) == 0 })
}

// Credentials that hang cannot hold all probes of their host: one is kept for those of
// whom nothing is known, and these go first.
func TestProbesAreShared(t *testing.T) {
	var wg sync.WaitGroup
	h := &host{log: slog.New(slog.DiscardHandler), silent: map[*queue]struct{}{}}
	h.away.Store(true)
	hangs, hangsToo, unknown := testQueue(&wg), testQueue(&wg), testQueue(&wg)
	turn := func(want *queue, what string) {
		t.Helper()
		h.pass()
		if h.turn != want {
			t.Error(what)
		}
	}
	h.await(hangs, false)
	h.await(hangsToo, false)
	turn(hangs, "it is not the first one's turn")
	if h.take(hangsToo) != noProbe || h.take(hangs) != knownProbe {
		t.Error("a turn is one destination's")
	}
	h.await(hangs, false)
	h.await(unknown, true)
	if h.take(unknown) != freshProbe {
		t.Error("nobody knows anything of this one, and it has to wait")
	}
	h.probed(freshProbe)
	turn(unknown, "nobody knows anything of this one: it goes first")
	turn(hangsToo, "it is not the second one's turn")
	h.probing[knownProbe] = hostKnown
	turn(nil, "those that hang hold all the probes")
	h.await(unknown, true)
	turn(unknown, "a probe is kept for one of which nothing is known")
	h.probing[freshProbe] = hostProbes - hostKnown
	h.await(unknown, true)
	turn(nil, "more probes than a host may have")
	h.timer.Stop()
}

// When the host is back each destination may prove itself at once, however long its own
// breaker would have had it wait, and all that waits for it is tried.
func TestDestinationsProveThemselves(t *testing.T) {
	var wg sync.WaitGroup
	h := &host{log: slog.New(slog.DiscardHandler), silent: map[*queue]struct{}{}}
	q := testQueue(&wg)
	q.host = h
	q.backlog.rows = 1
	now := time.Now()
	q.breaker.failed = openAfter
	q.breaker.probeAt = now.Add(probeMax)
	for range hostQuorum {
		h.foundSilent(testQueue(&wg), now)
	}
	if n, _ := q.wants(now); n != 0 {
		t.Errorf("%d batches may be tried although it is not the destination's turn", n)
	}
	h.answered(now)
	if n, _ := q.wants(now); n == 0 || !q.backlog.draining {
		t.Errorf("%d batches may be tried, of all that waits %t", n, q.backlog.draining)
	}
	h.timer.Stop()
	q.backlog.timer.Stop()
}
