// Package chat plans chat events: it applies an event's change to the state, asks the
// rules whom it concerns, walks that audience page by page, asks the toggles who of them
// wants to hear of it, and renders once for each language.
package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chatbell"
	"chatbell/pipeline/plan"
	"chatbell/pipeline/work"
	"chatbell/rules"
)

// State is what planning reads and changes.
type State interface {
	Applier
	Audiences
	Facts
}

// Applier applies an event's change of the state. It is applied before the event's
// audience is read, and a repeat of it changes nothing.
type Applier interface {
	Apply(ctx context.Context, seq uint64, env *chatbell.Envelope) error
}

// Audiences tells who is to be asked about, with all that the decision and the delivery
// need. What it returns may be shared: only the slice itself is the caller's.
type Audiences interface {
	Audience(ctx context.Context, q chatbell.AudienceQuery) ([]chatbell.Recipient, error)
	Recipients(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, ids []chatbell.UserID) ([]chatbell.Recipient, error)
}

// Facts are about the event's channel and network as a whole.
type Facts interface {
	Channel(ctx context.Context, network chatbell.NetworkID, id chatbell.ChannelID) (chatbell.Channel, error)
	NetworkSettings(ctx context.Context, network chatbell.NetworkID) (chatbell.Toggles, error)
	DisabledEndpoints(ctx context.Context) (map[chatbell.NetworkID]map[chatbell.EndpointID]chatbell.Reason, error)
}

// Config is what a planner is made of. All fields are required.
type Config struct {
	State    State
	Networks work.Networks
	// PageLimit is how many people are read, decided and written in one go.
	PageLimit int
	// Expire is how long after its acceptance an event is worth a push.
	Expire time.Duration
	Now    func() time.Time
}

// Planner plans chat events. Safe for concurrent use.
type Planner struct{ cfg Config }

// New makes a planner.
func New(c Config) *Planner { return &Planner{cfg: c} }

// event is one event with all that its pages share. It implements [plan.Plan].
type event struct {
	cfg      *Config
	env      *chatbell.Envelope
	net      *work.Network
	settings chatbell.Toggles
	channel  chatbell.Channel
	disabled map[chatbell.EndpointID]bool
	sequence uint64
	hasRoles bool // the actor's are known, or were looked for
	triggers []rules.Trigger
	audience []*audience
	texts    map[textKey]chatbell.Text
}

// textKey names a rendered text: that of a trigger in a language.
type textKey struct {
	trigger int
	locale  string
}

// Open implements [plan.Planner].
func (p *Planner) Open(ctx context.Context, req *plan.Request) (plan.Plan, error) {
	env := new(chatbell.Envelope)
	if err := json.Unmarshal(req.Payload, env); err != nil {
		return nil, work.Permanent(fmt.Errorf("decode event: %w", err))
	}
	net, ok := p.cfg.Networks.Network(env.Network)
	if !ok {
		return nil, work.Permanent(fmt.Errorf("network %q is not configured any more", env.Network))
	}
	if err := p.cfg.State.Apply(ctx, req.Sequence, env); err != nil {
		return nil, fmt.Errorf("apply %s: %w", env.Event.Type, err)
	}
	made := &event{
		cfg:      &p.cfg,
		env:      env,
		net:      net,
		sequence: req.Sequence,
		texts:    map[textKey]chatbell.Text{},
	}
	if err := made.loadDisabled(ctx); err != nil {
		return nil, err
	}
	made.triggers = net.Rules.Match(&env.Event)
	if len(made.triggers) == 0 {
		return made, nil
	}
	if err := made.load(ctx); err != nil {
		return nil, err
	}
	made.audience = made.audiences()
	return made, nil
}

// Network implements [plan.Plan].
func (ev *event) Network() *work.Network { return ev.net }

// Key implements [plan.Plan].
func (ev *event) Key() string { return ev.env.Key() }

// Row implements [plan.Plan].
func (ev *event) Row(audience uint32) chatbell.AcceptedEvent {
	about := &ev.env.Event
	return chatbell.AcceptedEvent{
		Network:    ev.env.Network,
		EventID:    about.ID,
		EventType:  about.Type,
		ChannelID:  about.Channel.ID,
		ActorID:    about.Actor.ID,
		EventTime:  about.Time,
		AcceptedAt: ev.env.AcceptedAt,
		Source:     ev.env.Source,
		Audience:   audience,
	}
}

// load reads what every trigger of the event needs.
func (ev *event) load(ctx context.Context) error {
	id := ev.env.Network
	about := &ev.env.Event
	settings, err := ev.cfg.State.NetworkSettings(ctx, id)
	if err != nil {
		return fmt.Errorf("read network settings: %w", err)
	}
	ev.settings = settings
	ev.channel, err = ev.cfg.State.Channel(ctx, id, about.Channel.ID)
	if err != nil && !errors.Is(err, chatbell.ErrNotFound) {
		return fmt.Errorf("read channel: %w", err)
	}
	ev.channel.ID = about.Channel.ID
	ev.channel.Name = cmp.Or(about.Channel.Name, ev.channel.Name)
	about.Channel.Name = ev.channel.Name // webhooks say what the title says
	about.Channel.Type = cmp.Or(about.Channel.Type, ev.channel.Type)
	return ev.completePeople(ctx)
}

func (ev *event) loadDisabled(ctx context.Context) error {
	if len(ev.net.Endpoints) == 0 {
		return nil
	}
	disabled, err := ev.cfg.State.DisabledEndpoints(ctx)
	if err != nil {
		return fmt.Errorf("read disabled endpoints: %w", err)
	}
	ev.disabled = make(map[chatbell.EndpointID]bool, len(disabled[ev.env.Network]))
	for ep := range disabled[ev.env.Network] {
		ev.disabled[ep] = true
	}
	return nil
}

// completePeople fills in the names that the event does not say, of its actor and of
// those who joined, from what the store knows.
func (ev *event) completePeople(ctx context.Context) error {
	about := &ev.env.Event
	ev.hasRoles = about.Actor.ID == "" || about.Actor.Roles != nil
	var ids []chatbell.UserID
	if about.Actor.ID != "" && about.Actor.Name == "" {
		ids = append(ids, about.Actor.ID)
	}
	if about.Type == chatbell.ChannelJoined {
		for i := range about.Members {
			if about.Members[i].Name == "" {
				ids = append(ids, about.Members[i].ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if err := ev.complete(ctx, dedupe(ids)); err != nil {
		return err
	}
	ev.triggers = ev.net.Rules.Match(about) // with the names
	return nil
}

// completeRoles fills in the actor's roles, if the event does not say them and somebody
// on the page, or the network, goes by them.
func (ev *event) completeRoles(ctx context.Context, page []chatbell.Recipient) error {
	if ev.hasRoles || !rules.NeedRoles(&ev.settings, page) {
		return nil
	}
	return ev.complete(ctx, []chatbell.UserID{ev.env.Event.Actor.ID})
}

// complete reads people and fills in what the event does not say of them.
func (ev *event) complete(ctx context.Context, ids []chatbell.UserID) error {
	about := &ev.env.Event
	known, err := ev.cfg.State.Recipients(ctx, ev.env.Network, about.Channel.ID, ids)
	if err != nil {
		return fmt.Errorf("read the people of the event: %w", err)
	}
	for i := range known {
		user := &known[i].User
		if user.ID == about.Actor.ID {
			about.Actor.Name = cmp.Or(about.Actor.Name, user.Name)
			if about.Actor.Roles == nil {
				about.Actor.Roles = user.Roles
			}
			ev.hasRoles = true
		}
		for j := range about.Members {
			if about.Members[j].ID == user.ID {
				about.Members[j].Name = cmp.Or(about.Members[j].Name, user.Name)
			}
		}
	}
	return nil
}
