package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"chatbell"
	"chatbell/pipeline/plan"
	"chatbell/pipeline/work"
	"chatbell/rules"
)

// cursor is where a page begins.
type cursor struct {
	// Audience is which of the event's audiences is being walked; Rule, for a checkpoint
	// that outlives a change of the rules, is the first rule that speaks to it.
	Audience int             `json:"audience"`
	Rule     chatbell.RuleID `json:"rule"`
	// Named counts the people named by the event who are done, After is the last member.
	Named int             `json:"named,omitempty"`
	After chatbell.UserID `json:"after,omitempty"`
}

// at reads a cursor. Where the rules have changed since it was written, it finds the
// audience of its rule; without one, the walk goes on with the next.
func (ev *event) at(from plan.Cursor) (cursor, error) {
	var cur cursor
	if from == "" {
		return cur, nil
	}
	if err := json.Unmarshal([]byte(from), &cur); err != nil {
		return cur, work.Permanent(fmt.Errorf("decode the cursor of %s: %w", ev.env.Event.ID, err))
	}
	if cur.Audience < len(ev.audience) && ev.audience[cur.Audience].rule == cur.Rule {
		return cur, nil
	}
	for i, aud := range ev.audience {
		if aud.rule == cur.Rule {
			cur.Audience = i
			return cur, nil
		}
	}
	return cursor{Audience: cur.Audience}, nil
}

func (ev *event) encode(c cursor) (plan.Cursor, error) {
	if c.Audience < len(ev.audience) {
		c.Rule = ev.audience[c.Audience].rule
	}
	data, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode the cursor of %s: %w", ev.env.Event.ID, err)
	}
	return plan.Cursor(data), nil
}

// Page implements [plan.Plan].
func (ev *event) Page(ctx context.Context, from plan.Cursor) (*plan.Page, error) {
	cur, err := ev.at(from)
	if err != nil {
		return nil, err
	}
	page := new(plan.Page)
	if from == "" {
		if page.Batches, err = ev.raw(); err != nil {
			return nil, err
		}
	}
	for cur.Audience < len(ev.audience) && page.People == 0 {
		aud := ev.audience[cur.Audience]
		people, more, err := aud.page(ctx, ev.cfg.State, &cur)
		if err != nil {
			return nil, err
		}
		page.People = uint32(len(people))
		if err := ev.decide(ctx, aud, people, page); err != nil {
			return nil, err
		}
		if !more {
			cur = cursor{Audience: cur.Audience + 1}
		}
	}
	page.Last = cur.Audience >= len(ev.audience)
	page.Next, err = ev.encode(cur)
	return page, err
}

// raw are the calls with the event itself.
func (ev *event) raw() ([]*work.Batch, error) {
	if len(ev.net.Endpoints) == 0 {
		return nil, nil
	}
	about := &ev.env.Event
	return work.RawBatches(ev.net, &chatbell.Notification{
		Network:     ev.env.Network,
		EventID:     about.ID,
		EventType:   about.Type,
		ChannelID:   about.Channel.ID,
		Source:      ev.env.Source,
		EventTime:   about.Time,
		AcceptedAt:  ev.env.AcceptedAt,
		TraceParent: ev.env.TraceParent,
	}, about, ev.disabled)
}

// decide asks the rules about each person of a page, for each trigger of the audience.
func (ev *event) decide(ctx context.Context, a *audience, people []chatbell.Recipient, page *plan.Page) error {
	if err := ev.completeRoles(ctx, people); err != nil {
		return err
	}
	now := ev.cfg.Now()
	for i := a.first; i < a.end; i++ {
		t := &ev.triggers[i]
		collector := ev.collector(i, now)
		asked := rules.Context{
			Event:   &ev.env.Event,
			Rule:    t.Rule,
			Network: ev.settings,
			Channel: ev.channel,
			Now:     now,
		}
		for j := range people {
			r := &people[j]
			if r.User.ID != ev.env.Event.Actor.ID && t.Excludes(r.User.ID) {
				continue
			}
			d := rules.Decide(&asked, r)
			if !d.Notify {
				collector.Suppress(r.User.ID, d.Level, d.Reason)
				continue
			}
			if err := collector.Notify(r); err != nil {
				return err
			}
		}
		rows, batches := collector.Take()
		page.Rows = append(page.Rows, rows...)
		page.Batches = append(page.Batches, batches...)
	}
	return nil
}

// collector starts what follows from one trigger on one page.
func (ev *event) collector(trigger int, now time.Time) *plan.Collector {
	happened := &ev.env.Event
	t := &ev.triggers[trigger]
	about := []string{string(happened.ID), t.SubjectID}
	if happened.Message != nil {
		about = []string{happened.Message.ID}
	}
	return &plan.Collector{
		Network:  ev.net,
		Event:    happened,
		Disabled: ev.disabled,
		Now:      now,
		Text:     func(locale string) (chatbell.Text, error) { return ev.text(trigger, locale) },
		Notification: chatbell.Notification{
			Network:     ev.env.Network,
			EventID:     happened.ID,
			EventType:   happened.Type,
			ChannelID:   happened.Channel.ID,
			Rule:        t.Rule.ID,
			Template:    templateName(happened, t),
			SubjectID:   t.SubjectID,
			Source:      ev.env.Source,
			EventTime:   happened.Time,
			AcceptedAt:  ev.env.AcceptedAt,
			ExpiresAt:   ev.env.AcceptedAt.Add(ev.cfg.Expire),
			CollapseID:  chatbell.CollapseID(ev.env.Network, happened.Channel.ID, about...),
			TraceParent: ev.env.TraceParent,
		},
	}
}

// text renders a trigger's notification in a language, once for the whole event.
func (ev *event) text(trigger int, locale string) (chatbell.Text, error) {
	key := textKey{trigger, locale}
	if text, ok := ev.texts[key]; ok {
		return text, nil
	}
	t := &ev.triggers[trigger]
	name := templateName(&ev.env.Event, t)
	text, err := ev.net.Catalogue.Render(name, locale, words(&ev.env.Event, t, ev.channel))
	if err != nil {
		return chatbell.Text{}, fmt.Errorf("render %s in %s: %w", name, locale, err)
	}
	text.Locale = locale
	ev.texts[key] = text
	return text, nil
}
