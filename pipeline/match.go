package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/jetstream"
	"chatbell/rules"
)

// DirectTargets is how many targets an event may have and still be sent without
// another durable hop: one page of work.
const DirectTargets = 256

// State is what matching reads and changes. An event's change is applied before its
// audience is read, and a repeat of it changes nothing.
type State interface {
	Apply(ctx context.Context, seq uint64, env *chatbell.Envelope) error
	Channel(ctx context.Context, network chatbell.NetworkID, id chatbell.ChannelID) (chatbell.Channel, error)
	NetworkSettings(ctx context.Context, network chatbell.NetworkID) (chatbell.Toggles, error)
	Audience(ctx context.Context, q chatbell.AudienceQuery) ([]chatbell.Recipient, error)
	Recipients(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, ids []chatbell.UserID) ([]chatbell.Recipient, error)
	DisabledEndpoints(ctx context.Context) (map[chatbell.NetworkID]map[chatbell.EndpointID]chatbell.Reason, error)
}

// matcher turns events into work.
type matcher struct {
	state     State
	networks  Networks
	fanout    *fanout
	sender    *sender
	results   *ResultWriter
	repeats   *repeats
	retry     Retry
	now       func() time.Time
	pageLimit int
	share     int // of a destination that says nothing, see queue.put
}

// matched is one event with all that its triggers share.
type matched struct {
	env      *chatbell.Envelope
	net      *Network
	settings chatbell.Toggles
	channel  chatbell.Channel
	actor    chatbell.Person
	off      map[chatbell.EndpointID]bool
	sequence uint64
	repeat   bool
	hasRoles bool // the actor's are known, or were looked for
	audience uint32
}

// handle is the watermill handler of the stage.
func (m *matcher) handle(msg *message.Message) error {
	ctx := msg.Context()
	env := new(chatbell.Envelope)
	if err := json.Unmarshal(msg.Payload, env); err != nil {
		return permanent(fmt.Errorf("decode event: %w", err))
	}
	net, ok := m.networks.Network(env.Network)
	if !ok {
		return permanent(fmt.Errorf("network %q is not configured any more", env.Network))
	}
	ev := &matched{env: env, net: net, sequence: jetstream.Sequence(msg), repeat: jetstream.MaybeRepeat(msg)}
	if err := m.state.Apply(ctx, ev.sequence, env); err != nil {
		return fmt.Errorf("apply %s: %w", env.Event.Type, err)
	}
	triggers := net.Rules.Match(&env.Event)
	if len(triggers) > 0 {
		if err := m.load(ctx, ev); err != nil {
			return err
		}
		triggers = net.Rules.Match(&env.Event) // with the names that load filled in
	}
	raw, err := m.raw(ctx, ev)
	if err != nil {
		return err
	}
	resumed, err := m.fanout.resume(ctx, ev)
	if err != nil {
		return err
	}
	if resumed == nil {
		plans, complete, err := m.planAll(ctx, ev, triggers)
		if err != nil {
			return err
		}
		if complete {
			return m.sendDirect(ctx, msg, ev, plans, raw)
		}
		resumed = new(progress)
	}
	if err := m.fanout.publish(ev, raw); err != nil {
		return err
	}
	return m.fanout.run(ctx, m, ev, triggers, resumed)
}

// load reads what every trigger of the event needs.
func (m *matcher) load(ctx context.Context, ev *matched) (err error) {
	id, e := ev.env.Network, &ev.env.Event
	if ev.settings, err = m.state.NetworkSettings(ctx, id); err != nil {
		return fmt.Errorf("read network settings: %w", err)
	}
	ev.channel, err = m.state.Channel(ctx, id, e.Channel.ID)
	if err != nil && !errors.Is(err, chatbell.ErrNotFound) {
		return fmt.Errorf("read channel: %w", err)
	}
	ev.channel.ID = e.Channel.ID
	if e.Channel.Name != "" {
		ev.channel.Name = e.Channel.Name
	}
	if err := m.completePeople(ctx, ev); err != nil {
		return err
	}
	return m.loadDisabled(ctx, ev)
}

// completePeople fills in the names that the event does not say, of its actor and of
// those who joined, from what the store knows.
func (m *matcher) completePeople(ctx context.Context, ev *matched) error {
	e := &ev.env.Event
	ev.actor, ev.hasRoles = e.Actor, e.Actor.ID == "" || e.Actor.Roles != nil
	var ids []chatbell.UserID
	if e.Actor.ID != "" && e.Actor.Name == "" {
		ids = append(ids, e.Actor.ID)
	}
	if e.Type == chatbell.ChannelJoined {
		for i := range e.Members {
			if e.Members[i].Name == "" {
				ids = append(ids, e.Members[i].ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return m.complete(ctx, ev, dedupe(ids))
}

// completeRoles fills in the actor's roles, if the event does not say them and somebody
// on the page, or the network, goes by them.
func (m *matcher) completeRoles(ctx context.Context, ev *matched, page []chatbell.Recipient) error {
	if ev.hasRoles || !rules.NeedRoles(&ev.settings, page) {
		return nil
	}
	return m.complete(ctx, ev, []chatbell.UserID{ev.env.Event.Actor.ID})
}

// complete reads people and fills in what the event does not say of them.
func (m *matcher) complete(ctx context.Context, ev *matched, ids []chatbell.UserID) error {
	e := &ev.env.Event
	known, err := m.state.Recipients(ctx, ev.env.Network, e.Channel.ID, ids)
	if err != nil {
		return fmt.Errorf("read the people of the event: %w", err)
	}
	for i := range known {
		u := &known[i].User
		if u.ID == e.Actor.ID {
			e.Actor.Name = cmp.Or(e.Actor.Name, u.Name)
			if e.Actor.Roles == nil {
				e.Actor.Roles = u.Roles
			}
			ev.actor, ev.hasRoles = e.Actor, true
		}
		for j := range e.Members {
			if e.Members[j].ID == u.ID {
				e.Members[j].Name = cmp.Or(e.Members[j].Name, u.Name)
			}
		}
	}
	return nil
}

// newPlan starts the plan of one trigger.
func (m *matcher) newPlan(ev *matched, t *rules.Trigger) *plan {
	e := &ev.env.Event
	name, in := words(e, t, ev.actor, ev.channel)
	about := []string{string(e.ID), t.SubjectID}
	if e.Message != nil {
		about = []string{e.Message.ID}
	}
	return &plan{
		net: ev.net, event: e, off: ev.off, now: m.now(), input: in,
		batches: map[Destination][]*Batch{}, pages: map[callGroup]int{},
		note: chatbell.Notification{
			Network: ev.env.Network, EventID: e.ID, EventType: e.Type, ChannelID: e.Channel.ID,
			Rule: t.Rule.ID, Template: name, SubjectID: t.SubjectID, Source: ev.env.Source,
			EventTime: e.Time, AcceptedAt: ev.env.AcceptedAt, ExpiresAt: ev.env.AcceptedAt.Add(m.retry.PushExpire),
			CollapseID: chatbell.CollapseID(ev.env.Network, e.Channel.ID, about...), TraceParent: ev.env.TraceParent,
		},
	}
}

// planAll plans every trigger as long as the event has few targets. It reports
// whether it got to the end; if not, the event is fanned out instead.
func (m *matcher) planAll(ctx context.Context, ev *matched, triggers []rules.Trigger) ([]*plan, bool, error) {
	plans, targets, people := make([]*plan, 0, len(triggers)), 0, 0
	for i := range triggers {
		p := m.newPlan(ev, &triggers[i])
		plans = append(plans, p)
		w := m.walk(ev, &triggers[i], "")
		for w.next(ctx) {
			people += len(w.page)
			if err := m.decide(ctx, ev, &triggers[i], p, w.page); err != nil {
				return nil, false, err
			}
			if targets+p.targets > DirectTargets || people > maxDirectPeople {
				return nil, false, nil
			}
		}
		if w.err != nil {
			return nil, false, w.err
		}
		targets += p.targets
	}
	ev.audience = uint32(people)
	return plans, true, nil
}

// maxDirectPeople bounds the people of an event that is not fanned out: even if
// nobody among them is told, their rows have to fit into one page of work.
const maxDirectPeople = 4 * DirectTargets

// decide asks the rules about each person of a page.
func (m *matcher) decide(ctx context.Context, ev *matched, t *rules.Trigger, p *plan, page []chatbell.Recipient) error {
	if err := m.completeRoles(ctx, ev, page); err != nil {
		return err
	}
	c := rules.Context{Event: &ev.env.Event, Rule: t.Rule, Network: ev.settings, Channel: ev.channel, Now: p.now}
	for i := range page {
		r := &page[i]
		if r.User.ID != ev.env.Event.Actor.ID && t.Excludes(r.User.ID) {
			continue
		}
		if err := p.add(r, rules.Decide(&c, r)); err != nil {
			return err
		}
	}
	return nil
}

// sendDirect sends what was planned and makes the results durable. The gate for the
// channel's next event opens as soon as the targets are in their queues.
func (m *matcher) sendDirect(ctx context.Context, msg *message.Message, ev *matched, plans []*plan, batches []*Batch) error {
	out := &chatbell.Results{Events: []chatbell.AcceptedEvent{ev.row()}, MaybeRepeat: ev.repeat}
	for _, p := range plans {
		out.Deliveries = append(out.Deliveries, p.takeRows()...)
		more, err := p.take()
		if err != nil {
			return err
		}
		batches = append(batches, more...)
	}
	if ev.repeat {
		if err := m.repeats.drop(ctx, batches, jetstream.HandledHere(msg)); err != nil {
			return err
		}
	}
	handed := make([]*handed, 0, len(batches))
	for _, b := range batches {
		handed = append(handed, m.sender.submit(ctx, ev.net, b, m.share))
	}
	jetstream.Release(msg)
	return m.sender.finish(ctx, handed, out)
}

// row is the event's own row.
func (ev *matched) row() chatbell.AcceptedEvent {
	e := &ev.env.Event
	return chatbell.AcceptedEvent{
		Network: ev.env.Network, EventID: e.ID, EventType: e.Type, ChannelID: e.Channel.ID, ActorID: e.Actor.ID,
		EventTime: e.Time, AcceptedAt: ev.env.AcceptedAt, Source: ev.env.Source, Audience: ev.audience,
	}
}
