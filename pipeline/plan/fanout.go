package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/work"
)

// Checkpoints remembers how far a fan-out has come, and what of it waits for the end.
// Checkpoint gives nil for a key that was never put.
type Checkpoints interface {
	Checkpoint(ctx context.Context, key string) ([]byte, error)
	PutCheckpoint(ctx context.Context, key string, data []byte) error
	DeleteCheckpoint(ctx context.Context, key string) error
}

// fanout writes the work of a large request to the streams, page by page.
type fanout struct {
	stage *Stage
	req   *Request
	plan  Plan
	start time.Time // when the request was handed out
	first []*Page   // decided already
	at    progress
}

// progress is the checkpoint of a fan-out: everything before it is durable.
type progress struct {
	// Next is where the next page begins; Planned says that there is none.
	Next    Cursor `json:"next"`
	Planned bool   `json:"planned,omitempty"`
	People  uint32 `json:"people"`
	// Spooled counts the parts of webhook calls that wait until all pages are planned.
	Spooled int `json:"spooled,omitempty"`
	// Groups counts the people of each group of calls, in the order of their coming.
	Groups []callCount `json:"groups,omitempty"`
	// Published says that they are in their stream; their parts may be gone.
	Published bool `json:"published,omitempty"`
}

type callCount struct {
	Group  callGroup `json:"group"`
	People int       `json:"people"`
}

// count adds the people of a call to those of its group.
func (p *progress) count(b *work.Batch) {
	group := groupOf(b)
	for i := range p.Groups {
		if p.Groups[i].Group == group {
			p.Groups[i].People += len(b.Targets)
			return
		}
	}
	p.Groups = append(p.Groups, callCount{group, len(b.Targets)})
}

func (f *fanout) key() string { return "fanout:" + f.req.ID }

// spoolKey names one part of the calls that wait.
func (f *fanout) spoolKey(n int) string { return fmt.Sprintf("%s:%d", f.key(), n) }

// resume reads the checkpoint of a fan-out that was interrupted, and reports whether
// there is one. Only a redelivered request can have one.
func (f *fanout) resume(ctx context.Context) (bool, error) {
	if !f.req.Redelivery.Possible() {
		return false, nil
	}
	data, err := f.stage.cfg.Checkpoints.Checkpoint(ctx, f.key())
	if err != nil || data == nil {
		return false, err
	}
	if err := json.Unmarshal(data, &f.at); err != nil {
		return false, work.Permanent(fmt.Errorf("decode fan-out checkpoint: %w", err))
	}
	return true, nil
}

// run fans the request out from where it stands. When it returns nil, every target is in
// a stream and every suppressed person's row is durable.
func (f *fanout) run(ctx context.Context) (err error) {
	defer recovered(&err)
	for !f.at.Planned {
		if err := f.page(ctx); err != nil {
			return err
		}
	}
	if !f.at.Published && f.at.Spooled > 0 {
		if err := f.publishCalls(ctx); err != nil {
			return err
		}
	}
	out := &chatbell.Results{Events: []chatbell.AcceptedEvent{f.plan.Row(f.at.People)}, MaybeRepeat: f.req.Redelivery.Possible()}
	if err := f.stage.cfg.Results.Write(ctx, out); err != nil {
		return err
	}
	f.stage.cfg.Observer.Matched(time.Since(f.start), f.at.People, true)
	return f.forget(ctx)
}

// page decides and writes the next page, when it is the network's turn.
func (f *fanout) page(ctx context.Context) error {
	network := f.plan.Network().ID
	if f.stage.turns.busy() {
		f.first = nil // who waits keeps nothing in memory: its pages are decided again
	}
	if err := f.stage.turns.take(ctx, network); err != nil {
		return err
	}
	defer f.stage.turns.give()
	if len(f.first) > 0 {
		page := f.first[0]
		f.first = f.first[1:]
		return f.write(ctx, page)
	}
	page, err := f.plan.Page(ctx, f.at.Next)
	if err != nil {
		return err
	}
	return f.write(ctx, page)
}

// write makes one page durable: its batches, its finished rows, and the checkpoint
// behind it. Webhook calls are spooled: the first of them says how many there will be.
func (f *fanout) write(ctx context.Context, page *Page) error {
	var calls []*work.Batch
	var now []*work.Batch
	for _, b := range page.Batches {
		if isCall(b) {
			calls = append(calls, b)
		} else {
			now = append(now, b)
		}
	}
	if err := f.publish(now); err != nil {
		return err
	}
	if err := f.spool(ctx, calls); err != nil {
		return err
	}
	if err := f.stage.cfg.Results.Write(ctx, &chatbell.Results{Deliveries: page.Rows, MaybeRepeat: f.req.Redelivery.Possible()}); err != nil {
		return err
	}
	f.at.People += page.People
	f.at.Next = page.Next
	f.at.Planned = page.Last
	return f.put(ctx, f.key(), &f.at)
}

// spool keeps calls in the store. A crash before the checkpoint writes them again, under
// the same key.
func (f *fanout) spool(ctx context.Context, calls []*work.Batch) error {
	if len(calls) == 0 {
		return nil
	}
	if err := f.put(ctx, f.spoolKey(f.at.Spooled), calls); err != nil {
		return err
	}
	f.at.Spooled++
	for _, b := range calls {
		f.at.count(b)
	}
	return nil
}

// publishCalls merges, numbers and publishes the calls that wait. Interrupted, it begins
// again and makes the same calls with the same ids.
func (f *fanout) publishCalls(ctx context.Context) error {
	merged := newCalls()
	for _, g := range f.at.Groups {
		merged.expect(g.Group, g.People)
	}
	for n := range f.at.Spooled {
		data, err := f.stage.cfg.Checkpoints.Checkpoint(ctx, f.spoolKey(n))
		if err != nil {
			return fmt.Errorf("read waiting webhook calls: %w", err)
		}
		var part []*work.Batch
		if err := json.Unmarshal(data, &part); err != nil {
			return work.Permanent(fmt.Errorf("decode waiting webhook calls: %w", err))
		}
		for _, b := range part {
			if err := f.publish(merged.add(b)); err != nil {
				return err
			}
		}
	}
	if err := f.publish(merged.rest()); err != nil {
		return err
	}
	f.at.Published = true
	return f.put(ctx, f.key(), &f.at)
}

// forget removes the checkpoint and what it names. The checkpoint goes last: until then
// a redelivery finds where it stands.
func (f *fanout) forget(ctx context.Context) error {
	for n := range f.at.Spooled {
		if err := f.stage.cfg.Checkpoints.DeleteCheckpoint(ctx, f.spoolKey(n)); err != nil {
			return fmt.Errorf("delete sent webhook calls: %w", err)
		}
	}
	if err := f.stage.cfg.Checkpoints.DeleteCheckpoint(ctx, f.key()); err != nil {
		return fmt.Errorf("delete fan-out checkpoint: %w", err)
	}
	return nil
}

func (f *fanout) put(ctx context.Context, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode fan-out checkpoint: %w", err)
	}
	if err := f.stage.cfg.Checkpoints.PutCheckpoint(ctx, key, data); err != nil {
		return fmt.Errorf("save fan-out checkpoint: %w", err)
	}
	return nil
}

// publish makes batches durable in their streams. A batch that is there already is
// dropped by its id.
func (f *fanout) publish(batches []*work.Batch) error {
	bySubject := map[string][]*message.Message{}
	key := f.plan.Key()
	for _, b := range batches {
		if err := b.Seal(); err != nil {
			return err
		}
		msg, err := b.Message()
		if err != nil {
			return err
		}
		work.MarkRedelivered(msg, f.req.Redelivery)
		work.SetKey(msg, key)
		subject := b.Subject(key)
		bySubject[subject] = append(bySubject[subject], msg)
	}
	for subject, msgs := range bySubject {
		if err := f.stage.cfg.Publisher.Publish(subject, msgs...); err != nil {
			return fmt.Errorf("write work to the broker: %w", err)
		}
	}
	return nil
}
