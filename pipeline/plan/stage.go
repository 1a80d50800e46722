package plan

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/deliver"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/work"
)

// DirectTargets is how many targets a request may have and still be sent without
// another durable hop: one batch.
const DirectTargets = work.MaxBatch

// maxDirectRows bounds the people, and the rows, of a request that is sent directly: even
// if nobody among them is told, they have to fit into one message of results.
const maxDirectRows = 4 * DirectTargets

// StageConfig is what a stage is made of. All fields are required.
type StageConfig struct {
	// Planners are the kinds of requests that can be worked off.
	Planners    map[work.Kind]Planner
	Publisher   message.Publisher
	Checkpoints Checkpoints
	Results     *ledger.Writer
	Ledger      *ledger.Ledger
	Dispatcher  *deliver.Dispatcher
	Observer    Observer
	// Done is told of each request once, when all that it caused is durable or it has failed.
	// Took is the time since it was handed out. It hands back, or gives up, what failed.
	Done func(item *jetstream.Item, took time.Duration, err error)
	// Degraded is how many tries a destination that has become quiet may have in flight.
	Degraded int
}

// Observer is told what is planned. Implementations must be safe for concurrent use.
type Observer interface {
	// Matched is called once for each request whose audience was decided. Took is the time
	// until its targets were in their queues, or, with fanOut, written to the streams.
	Matched(took time.Duration, audience uint32, fanOut bool)
}

// Stage is the consumer of EVENTS: a message is a micro-batch of requests of one
// partition, in order.
type Stage struct {
	cfg   StageConfig
	turns *turns
}

// NewStage makes a stage.
func NewStage(c StageConfig) *Stage { return &Stage{cfg: c, turns: newTurns(fanouts)} }

// errForeign says that a message did not come from one of our subscriptions.
var errForeign = errors.New("the message is no micro-batch of a subscription")

// Handle is the watermill handler of the stage: it plans the requests in order, lets go of
// the partition, and settles them together. A request that fails is handed back by itself,
// and those behind it of its key wait for it; so do those behind a large one, until its
// pages are written. Handle returns when all of them have been settled.
func (s *Stage) Handle(msg *message.Message) error {
	batch := jetstream.BatchOf(msg)
	if batch == nil {
		return work.Permanent(errForeign)
	}
	ctx := msg.Context()
	round := &round{stage: s, batch: batch, start: time.Now(), held: map[string]bool{}, planned: make(chan struct{})}
	defer round.large.Wait()
	meanwhile := make(chan struct{})
	slow := time.AfterFunc(planningMax, func() {
		defer close(meanwhile)
		round.meanwhile(ctx)
	})
	for _, item := range batch.Items() {
		round.take(ctx, item)
	}
	close(round.planned)
	batch.Release()
	round.settle(ctx)
	if !slow.Stop() {
		<-meanwhile
	}
	return nil
}

// planningMax is how long what a micro-batch has sent may wait for the planning of the rest
// of it: what was accepted a while ago is not sent again after a crash.
const planningMax = 50 * time.Millisecond

// round is one micro-batch in hand.
type round struct {
	stage *Stage
	batch *jetstream.Batch
	start time.Time
	// held are the keys that wait for an earlier request of the batch.
	held    map[string]bool
	large   sync.WaitGroup // fan-outs under way
	planned chan struct{}  // closed when all of the batch is

	mu    sync.Mutex
	small []*deliver.Settlement // in their queues, and settled by nobody yet
}

// settle settles what was put into the queues so far.
func (r *round) settle(ctx context.Context) {
	r.mu.Lock()
	some := r.small
	r.small = nil
	r.mu.Unlock()
	r.stage.cfg.Dispatcher.SettleAll(ctx, some, r.settled)
}

// meanwhile settles, again and again, what was put into the queues while the planning of
// the rest takes long.
func (r *round) meanwhile(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	tick := time.NewTicker(planningMax)
	defer tick.Stop()
	for {
		parts.Go(func() { r.settle(ctx) })
		select {
		case <-r.planned:
			return
		case <-tick.C:
		}
	}
}

// take plans one request.
func (r *round) take(ctx context.Context, item *jetstream.Item) {
	key := item.Key()
	if key != "" && r.held[key] {
		item.Wait(0)
		return
	}
	fan, settlement, err := r.stage.plan(ctx, item, r.start)
	switch {
	case err != nil:
		r.held[key] = true
		r.done(item, err)
	case fan != nil:
		r.held[key] = true
		item.Hold()
		r.large.Go(func() { r.done(item, fan.run(ctx)) })
	default:
		r.mu.Lock()
		r.small = append(r.small, settlement)
		r.mu.Unlock()
	}
}

func (r *round) done(item *jetstream.Item, err error) {
	r.stage.cfg.Done(item, time.Since(r.start), err)
	if err == nil {
		item.Ack()
	}
}

// settled acknowledges requests together.
func (r *round) settled(some []*deliver.Settlement, err error) {
	items := make([]*jetstream.Item, len(some))
	for i, s := range some {
		items[i] = s.Message
		r.stage.cfg.Done(s.Message, time.Since(r.start), err)
	}
	if err == nil {
		r.batch.Ack(items)
	}
}

// plan decides a request, and hands it to the dispatchers if it is small; a large one is a
// fan-out, which has to be run. A panic is an error of the request's: one bad event must not
// take those beside it, and all other networks, with it.
func (s *Stage) plan(ctx context.Context, item *jetstream.Item, start time.Time) (_ *fanout, _ *deliver.Settlement, err error) {
	defer recovered(&err)
	kind := work.KindOf(item)
	planner, ok := s.cfg.Planners[kind]
	if !ok {
		return nil, nil, work.Permanent(fmt.Errorf("there is no planner for requests of kind %q", kind))
	}
	req := &Request{
		ID:         item.ID(),
		Payload:    item.Payload(),
		Sequence:   item.Sequence(),
		Redelivery: item.Redelivery(),
	}
	plan, err := planner.Open(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	fan := &fanout{stage: s, req: req, plan: plan, start: start}
	resumed, err := fan.resume(ctx)
	if err != nil || resumed {
		return fan, nil, err
	}
	pages, small, err := firstPages(ctx, plan)
	if err != nil {
		return nil, nil, err
	}
	if !small {
		fan.first = pages
		return fan, nil, nil
	}
	settlement, err := s.direct(ctx, fan, pages)
	if err != nil {
		return nil, nil, err
	}
	settlement.Message = item
	return nil, settlement, nil
}

// recovered makes an error of a panic.
func recovered(err *error) {
	if value := recover(); value != nil {
		*err = fmt.Errorf("panic: %v\n%s", value, debug.Stack())
	}
}

// firstPages decides pages as long as the request is small, and reports whether it is.
func firstPages(ctx context.Context, plan Plan) ([]*Page, bool, error) {
	var pages []*Page
	var from Cursor
	targets := 0
	people := 0
	rows := 0
	for {
		page, err := plan.Page(ctx, from)
		if err != nil {
			return nil, false, err
		}
		pages = append(pages, page)
		targets += page.targets()
		people += int(page.People)
		rows += len(page.Rows)
		switch {
		case targets > DirectTargets || max(people, rows) > maxDirectRows:
			return pages, false, nil
		case page.Last:
			return pages, true, nil
		}
		from = page.Next
	}
}

// direct puts what was planned into the queues of its destinations.
func (s *Stage) direct(ctx context.Context, fan *fanout, pages []*Page) (*deliver.Settlement, error) {
	req := fan.req
	plan := fan.plan
	out := chatbell.Results{MaybeRepeat: req.Redelivery.Possible()}
	var batches []*work.Batch
	var people uint32
	for _, page := range pages {
		out.Deliveries = append(out.Deliveries, page.Rows...)
		batches = append(batches, page.Batches...)
		people += page.People
	}
	out.Events = []chatbell.AcceptedEvent{plan.Row(people)}
	batches = number(batches)
	for _, b := range batches {
		if b.Call == nil {
			continue // a push needs its id where it has to wait, and gets it there
		}
		if err := b.Seal(); err != nil {
			return nil, err
		}
	}
	if req.Redelivery.Possible() {
		if err := s.cfg.Ledger.Drop(ctx, batches, req.Redelivery); err != nil {
			return nil, err
		}
	}
	flights := make([]*deliver.Flight, 0, len(batches))
	for _, b := range batches {
		flights = append(flights, s.cfg.Dispatcher.Submit(ctx, plan.Network(), b, s.cfg.Degraded))
	}
	s.cfg.Observer.Matched(time.Since(fan.start), people, false)
	return &deliver.Settlement{Flights: flights, Results: out}, nil
}
