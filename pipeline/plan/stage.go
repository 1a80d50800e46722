package plan

import (
	"context"
	"fmt"
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
	// Degraded is how many tries a destination that has become quiet may have in flight.
	Degraded int
}

// Observer is told what is planned. Implementations must be safe for concurrent use.
type Observer interface {
	// Matched is called once for each request whose audience was decided. Took is the time
	// until its targets were in their queues, or, with fanOut, written to the streams.
	Matched(took time.Duration, audience uint32, fanOut bool)
}

// Stage is the consumer of EVENTS: one message is one request.
type Stage struct{ cfg StageConfig }

// NewStage makes a stage.
func NewStage(c StageConfig) *Stage { return &Stage{cfg: c} }

// Handle is the watermill handler of the stage.
func (s *Stage) Handle(msg *message.Message) error {
	ctx := msg.Context()
	start := time.Now()
	kind := work.KindOf(msg)
	planner, ok := s.cfg.Planners[kind]
	if !ok {
		return work.Permanent(fmt.Errorf("there is no planner for requests of kind %q", kind))
	}
	req := &Request{
		ID:         msg.UUID,
		Payload:    msg.Payload,
		Sequence:   jetstream.Sequence(msg),
		Redelivery: jetstream.RedeliveryOf(msg),
	}
	plan, err := planner.Open(ctx, req)
	if err != nil {
		return err
	}
	fan := &fanout{stage: s, req: req, plan: plan, start: start}
	resumed, err := fan.resume(ctx)
	if err != nil {
		return err
	}
	if resumed {
		return fan.run(ctx)
	}
	pages, small, err := firstPages(ctx, plan)
	if err != nil {
		return err
	}
	if small {
		return s.direct(ctx, msg, fan, pages)
	}
	for _, page := range pages {
		if err := fan.write(ctx, page); err != nil {
			return err
		}
	}
	return fan.run(ctx)
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

// direct sends what was planned and makes the results durable. The gate for the
// channel's next request opens as soon as the targets are in their queues.
func (s *Stage) direct(ctx context.Context, msg *message.Message, fan *fanout, pages []*Page) error {
	req := fan.req
	plan := fan.plan
	out := &chatbell.Results{MaybeRepeat: req.Redelivery.Possible()}
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
		if err := b.Seal(); err != nil {
			return err
		}
	}
	if req.Redelivery.Possible() {
		if err := s.cfg.Ledger.Drop(ctx, batches, req.Redelivery); err != nil {
			return err
		}
	}
	flights := make([]*deliver.Flight, 0, len(batches))
	for _, b := range batches {
		flights = append(flights, s.cfg.Dispatcher.Submit(ctx, plan.Network(), b, s.cfg.Degraded))
	}
	jetstream.Release(msg)
	s.cfg.Observer.Matched(time.Since(fan.start), people, false)
	return s.cfg.Dispatcher.Settle(ctx, flights, out)
}
