package pipeline

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/jetstream"
	"chatbell/rules"
)

// Checkpoints remembers how far an event's fan-out has come. Checkpoint gives nil
// for a key that was never put.
type Checkpoints interface {
	Checkpoint(ctx context.Context, key string) ([]byte, error)
	PutCheckpoint(ctx context.Context, key string, data []byte) error
	DeleteCheckpoint(ctx context.Context, key string) error
}

// fanout writes the work of a large audience to the streams, page by page.
type fanout struct {
	publisher   message.Publisher
	checkpoints Checkpoints
	results     *ResultWriter
}

// progress is where a fan-out stands: everything before it is durable.
type progress struct {
	Trigger int             `json:"trigger"`
	After   chatbell.UserID `json:"after"`
	People  uint32          `json:"people"`
	// Pages counts the webhook pages written, Totals how many there will be.
	Pages  []pageCount `json:"pages,omitempty"`
	Totals []pageCount `json:"totals,omitempty"`
}

type pageCount struct {
	Group callGroup `json:"group"`
	N     int       `json:"n"`
}

// metaRepeat marks work of an event that may have been handed out before.
const metaRepeat = "chatbell_maybe_repeat"

// metaKey carries the ordering key of work, so that the gate need not decode it.
const metaKey = "chatbell_key"

func checkpointKey(ev *matched) string {
	return "fanout:" + chatbell.EventKey(ev.env.Network, ev.env.Event.ID)
}

// resume finds the checkpoint of an event whose fan-out was interrupted; nil if
// there is none. Only a repeat can have one.
func (f *fanout) resume(ctx context.Context, ev *matched) (*progress, error) {
	if !ev.repeat {
		return nil, nil //nolint:nilnil // "no progress yet" is an answer, not an error
	}
	data, err := f.checkpoints.Checkpoint(ctx, checkpointKey(ev))
	if err != nil || data == nil {
		return nil, err
	}
	p := new(progress)
	if err := json.Unmarshal(data, p); err != nil {
		return nil, permanent(fmt.Errorf("decode fan-out checkpoint: %w", err))
	}
	return p, nil
}

// run fans the event out from where it stands. When it returns nil, every target is
// in a stream and every suppressed person's row is durable.
func (f *fanout) run(ctx context.Context, m *matcher, ev *matched, triggers []rules.Trigger, at *progress) error {
	for ; at.Trigger < len(triggers); at.next() {
		if err := f.trigger(ctx, m, ev, &triggers[at.Trigger], at); err != nil {
			return err
		}
	}
	ev.audience = at.People
	out := &chatbell.Results{Events: []chatbell.AcceptedEvent{ev.row()}, MaybeRepeat: ev.repeat}
	if err := f.results.Write(ctx, out); err != nil {
		return err
	}
	return f.checkpoints.DeleteCheckpoint(ctx, checkpointKey(ev))
}

func (at *progress) next() {
	at.Trigger, at.After, at.Pages, at.Totals = at.Trigger+1, "", nil, nil
}

// trigger fans out one trigger.
func (f *fanout) trigger(ctx context.Context, m *matcher, ev *matched, t *rules.Trigger, at *progress) error {
	p := m.newPlan(ev, t)
	if at.Totals == nil && ev.net.Delivery != chatbell.DeliverDirect {
		if err := f.count(ctx, m, ev, t, at); err != nil {
			return err
		}
	}
	p.pages, p.totals = fromCounts(at.Pages), fromCounts(at.Totals)
	w := m.walk(ev, t, at.After)
	for w.next(ctx) {
		if err := m.decide(ctx, ev, t, p, w.page); err != nil {
			return err
		}
		at.People += uint32(len(w.page)) //nolint:gosec // a page is small
		if err := f.writePage(ctx, ev, p); err != nil {
			return err
		}
		at.After, at.Pages = w.query.After, toCounts(p.pages)
		if err := f.save(ctx, ev, at); err != nil {
			return err
		}
	}
	return w.err
}

// count walks the audience once without keeping anybody, because a webhook's first
// page says how many there will be.
func (f *fanout) count(ctx context.Context, m *matcher, ev *matched, t *rules.Trigger, at *progress) error {
	p := m.newPlan(ev, t)
	w := m.walk(ev, t, "")
	for w.next(ctx) {
		if err := m.decide(ctx, ev, t, p, w.page); err != nil {
			return err
		}
		if _, err := p.take(); err != nil {
			return err
		}
		p.takeRows()
	}
	at.Totals = toCounts(p.pages)
	return w.err
}

func (f *fanout) save(ctx context.Context, ev *matched, at *progress) error {
	data, err := json.Marshal(at)
	if err != nil {
		return fmt.Errorf("encode fan-out checkpoint: %w", err)
	}
	if err := f.checkpoints.PutCheckpoint(ctx, checkpointKey(ev), data); err != nil {
		return fmt.Errorf("save fan-out checkpoint: %w", err)
	}
	return nil
}

// writePage makes one page durable: its batches and its finished rows.
func (f *fanout) writePage(ctx context.Context, ev *matched, p *plan) error {
	batches, err := p.take()
	if err != nil {
		return err
	}
	if err := f.publish(ev, batches); err != nil {
		return err
	}
	return f.results.Write(ctx, &chatbell.Results{Deliveries: p.takeRows(), MaybeRepeat: ev.repeat})
}

// publish makes batches durable in their streams. A batch that is there already is
// dropped by its id.
func (f *fanout) publish(ev *matched, batches []*Batch) error {
	bySubject := map[string][]*message.Message{}
	for _, b := range batches {
		msg, err := b.message()
		if err != nil {
			return err
		}
		if ev.repeat {
			msg.Metadata.Set(metaRepeat, "1")
		}
		msg.Metadata.Set(metaKey, ev.env.Key())
		s := b.subject(ev.env.Key())
		bySubject[s] = append(bySubject[s], msg)
	}
	for subject, msgs := range bySubject {
		if err := f.publisher.Publish(subject, msgs...); err != nil {
			return fmt.Errorf("write work to the broker: %w", err)
		}
	}
	return nil
}

// message is the batch on its way through a stream. Its id is the batch's, so that
// the broker drops an identical repeat.
func (b *Batch) message() (*message.Message, error) {
	data, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode batch for %s: %w", b.Destination, err)
	}
	return message.NewMessage(b.ID, data), nil
}

// subject is where the batch is published.
func (b *Batch) subject(key string) string {
	stream := jetstream.StreamPush
	if b.Call != nil {
		stream = jetstream.StreamHook
	}
	return jetstream.Subject(stream, key, b.Notification.Network)
}

func toCounts(m map[callGroup]int) []pageCount {
	out := make([]pageCount, 0, len(m))
	for g, n := range m {
		out = append(out, pageCount{g, n})
	}
	return out
}

func fromCounts(list []pageCount) map[callGroup]int {
	m := make(map[callGroup]int, len(list))
	for _, c := range list {
		m[c.Group] = c.N
	}
	return m
}
