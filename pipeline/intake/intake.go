package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/work"
)

// Observer counts what becomes of requests, for metrics. Safe for concurrent use.
type Observer interface {
	// Event is called with "accepted", "duplicate", "refused" (no room) or "failed".
	Event(status string, n int)
	// OverLimit is called for each call that was refused because its network had reached a
	// limit of its own: [LimitEvents] and those beside it.
	OverLimit(limit string)
}

// Config is what an intake is made of. Broker, Consumers and Observer are required.
type Config struct {
	Broker *jetstream.Broker
	// Consumers are the durable consumers that work requests off: what they have not
	// finished is the backlog. They have the partitions in turn.
	Consumers []string
	Observer  Observer
	// Limit bounds the backlog, in requests; 0 means 1,000,000.
	Limit uint64
	// Quotas tells the rate limits of a network as they are now; nil means none.
	Quotas func(chatbell.NetworkID) Quota
	// Disk guards the room on the disk; nil means that there is always some.
	Disk Disk
	// Log is told of networks that reach their limits; nil means nobody.
	Log *slog.Logger
}

// Disk tells how much room there is where requests and what comes of them are kept. Both
// methods are asked for every message and must be cheap.
type Disk interface {
	// Low is nil while there is room for new requests.
	Low() error
	// Last reports that there is none for what comes of those that were accepted.
	Last() bool
}

// endless is a disk that has always room.
type endless struct{}

func (endless) Low() error { return nil }
func (endless) Last() bool { return false }

func (c *Config) setDefaults() {
	if c.Disk == nil {
		c.Disk = endless{}
	}
	if c.Limit == 0 {
		c.Limit = defaultLimit
	}
	if c.Quotas == nil {
		c.Quotas = func(chatbell.NetworkID) Quota { return Quota{} }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// defaultLimit bounds the requests that wait: at 10,000 events/s it is a minute and a
// half of an outage, at 1 KiB an event 1 GiB of disk.
const defaultLimit = 1_000_000

// resultsFull is the share of the RESULTS stream above which nothing new is taken, and
// nothing new is sent: the rest is kept for the work in hand.
const resultsFull = 0.8

// Intake makes requests durable in the broker. Its methods are safe for concurrent use.
type Intake struct {
	broker    *jetstream.Broker
	publisher *jetstream.Publisher
	consumers []string
	observer  Observer
	log       *slog.Logger
	disk      Disk
	shares    *shares

	last   atomic.Uint64 // the newest accepted sequence
	closed atomic.Bool

	failed atomic.Pointer[failure] // the last call; nil when it was stored
}

// failure is that requests were not stored, for another reason than that there is no room.
type failure struct {
	err error
	at  time.Time
}

// failureAge is how long a failed call counts as a sign that the next one fails. Where
// nobody sends requests to who is not ready, the next call has to try.
const failureAge = 10 * time.Second

// New makes the intake of an open broker.
func New(ctx context.Context, cfg Config) (*Intake, error) {
	cfg.setDefaults()
	last, err := cfg.Broker.LastSequence(ctx, work.StreamEvents)
	if err != nil {
		return nil, fmt.Errorf("read the newest request: %w", err)
	}
	intake := &Intake{
		broker:    cfg.Broker,
		publisher: cfg.Broker.Publisher(),
		consumers: cfg.Consumers,
		observer:  cfg.Observer,
		log:       cfg.Log,
		disk:      cfg.Disk,
		shares: &shares{
			limit:    cfg.Limit,
			quotas:   cfg.Quotas,
			now:      time.Now,
			networks: map[chatbell.NetworkID]*usage{},
			lanes:    make([]lane, max(1, len(cfg.Consumers))),
		},
	}
	intake.last.Store(last)
	return intake, nil
}

// Accept publishes the requests and answers for each, in their order, once it is durable.
// Nothing is stored when there is no room for all of them. The error is an [*Error], or
// the context's when the caller left.
func (in *Intake) Accept(ctx context.Context, requests []Request) ([]Status, error) {
	demands := demandsOf(requests)
	if err := in.enter(ctx, demands); err != nil {
		return nil, in.count(err, len(requests))
	}
	var acks []jetstream.PubResult
	defer func() { in.shares.leave(demands, requests, acks) }()
	messages := make([]*message.Message, len(requests))
	for i := range requests {
		messages[i] = requests[i].message()
	}
	var err error
	acks, err = in.publisher.PublishAcked(ctx, func(i int) string { return requests[i].subject() }, messages)
	if err != nil {
		return nil, in.count(refused(err), len(requests))
	}
	return in.answers(acks)
}

// Close ends the taking: what comes now is refused. Calls under way are answered.
func (in *Intake) Close() error {
	in.closed.Store(true)
	return nil
}

var errClosed = errors.New("it was asked to take no more")

// open tells at once what the next call would find out by waiting: that nothing is taken
// any more, or that the broker cannot write. The broker is asked only when the last call
// was not stored.
func (in *Intake) open() error {
	if in.closed.Load() {
		return refusal(Stopping, errClosed)
	}
	if in.failed.Load() == nil {
		return nil
	}
	return in.writable()
}

func (in *Intake) writable() error {
	if err := in.broker.Writable(work.StreamEvents); err != nil {
		return refused(err)
	}
	return nil
}

// Ready is nil while requests can be accepted: there is room for them, the broker can
// write, and the last ones that came were stored.
func (in *Intake) Ready(ctx context.Context) error {
	if in.closed.Load() {
		return refusal(Stopping, errClosed)
	}
	if err := in.writable(); err != nil {
		return err
	}
	if fail := in.failed.Load(); fail != nil && time.Since(fail.at) < failureAge {
		return fail.err
	}
	backlog, err := in.backlog(ctx)
	if err != nil {
		return err
	}
	if ahead, ok := in.shares.fits(backlog); !ok {
		return refusal(Overloaded, fmt.Errorf("%d events ahead", ahead))
	}
	return nil
}

// count counts requests that were not taken, and remembers what it says of the next.
func (in *Intake) count(err error, requests int) error {
	status := "failed"
	var e *Error
	if errors.As(err, &e) {
		switch e.Cause {
		case Overloaded, DiskFull, OverLimit:
			status = "refused"
		case Unavailable:
			in.failed.Store(&failure{err, time.Now()})
		case Stopping:
		}
	}
	in.observer.Event(status, requests)
	return err
}

// answers reads the broker's acknowledgements. When it took nothing at all the whole call
// fails; what it took midway is said request by request.
func (in *Intake) answers(acks []jetstream.PubResult) ([]Status, error) {
	out := make([]Status, len(acks))
	failed := 0
	var first error
	for i, result := range acks {
		switch {
		case result.Err != nil:
			out[i] = Unknown
			failed++
			if first == nil {
				first = result.Err
			}
		case result.Duplicate:
			out[i] = Duplicate
			in.observer.Event("duplicate", 1)
		default:
			out[i] = Accepted
			in.observer.Event("accepted", 1)
			in.advance(result.Sequence)
		}
	}
	if failed == 0 {
		in.failed.Store(nil)
		return out, nil
	}
	if err := in.count(refused(first), failed); failed == len(acks) {
		return nil, err
	}
	return out, nil
}

func (in *Intake) advance(seq uint64) {
	for {
		old := in.last.Load()
		if seq <= old || in.last.CompareAndSwap(old, seq) {
			return
		}
	}
}

// Sequence is the newest accepted request's; it stamps what the API writes to the store.
func (in *Intake) Sequence() uint64 { return in.last.Load() }

// enter refuses requests that would not fit, before anything is stored, and keeps the
// place of those that do.
func (in *Intake) enter(ctx context.Context, demands []demand) error {
	if err := in.open(); err != nil {
		return err
	}
	backlog, err := in.backlog(ctx)
	if err != nil {
		return err
	}
	over := in.shares.enter(backlog, demands)
	switch {
	case over == nil:
		return nil
	case over.limited == nil:
		return refusal(Overloaded, fmt.Errorf("%d events ahead, %d bytes free", over.ahead, over.free))
	}
	in.observer.OverLimit(over.limited.limit)
	if over.tell {
		in.log.Warn("a network is over a limit of its own and is refused; the others are not", "network", over.network, "limit", over.limited.limit, "detail", over.limited.detail)
	}
	return &Error{
		Cause:      OverLimit,
		RetryAfter: over.limited.wait,
		Detail:     over.limited.detail,
		Err:        fmt.Errorf("network %s: %s", over.network, over.limited.detail),
	}
}

// backlog is how much waits, unless what comes of more could not be recorded.
func (in *Intake) backlog(ctx context.Context) (jetstream.Backlog, error) {
	if err := in.disk.Low(); err != nil {
		return jetstream.Backlog{}, refusal(DiskFull, err)
	}
	backlog, err := in.broker.Backlog(ctx, work.StreamEvents, in.consumers...)
	if err != nil {
		return backlog, refused(err)
	}
	full, err := in.Full(ctx)
	if err != nil {
		return backlog, refused(err)
	}
	if full {
		return backlog, refusal(Overloaded, errors.New("ClickHouse has not taken the results so far"))
	}
	return backlog, nil
}

// Full reports that there is room only for the results of work in hand.
func (in *Intake) Full(ctx context.Context) (bool, error) {
	if in.disk.Last() {
		return true, nil
	}
	backlog, err := in.broker.Backlog(ctx, work.StreamResults)
	return backlog.MaxBytes > 0 && float64(backlog.Bytes) > resultsFull*float64(backlog.MaxBytes), err
}
