package push

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/pipeline/plan"
	"chatbell/pipeline/push/providers"
	"chatbell/pipeline/work"
)

// State is what planning reads.
type State interface {
	ChosenDevices(ctx context.Context, network chatbell.NetworkID, page store.DevicePage) ([]store.TopicDevice, error)
	NetworkSettings(ctx context.Context, network chatbell.NetworkID) (chatbell.Toggles, error)
}

// Config is what a planner is made of. All fields are required.
type Config struct {
	State    State
	Networks work.Networks
	// PageLimit is how many devices are read, decided and written in one go.
	PageLimit int
	// Expire is how long after its acceptance a push is worth a try, unless it says so itself.
	Expire time.Duration
	Now    func() time.Time
}

// Planner plans pushes. Safe for concurrent use.
type Planner struct{ cfg Config }

// New makes a planner.
func New(c Config) *Planner { return &Planner{cfg: c} }

// planned is one push with all that its pages share. It implements [plan.Plan].
type planned struct {
	cfg       *Config
	req       *Request
	net       *work.Network
	off       bool // the network's notifications are switched off
	expires   time.Time
	templates map[chatbell.Provider]*Template
}

// Open implements [plan.Planner].
func (p *Planner) Open(ctx context.Context, req *plan.Request) (plan.Plan, error) {
	made := &planned{cfg: &p.cfg, req: new(Request), templates: map[chatbell.Provider]*Template{}}
	if err := json.Unmarshal(req.Payload, made.req); err != nil {
		return nil, work.Permanent(fmt.Errorf("decode push: %w", err))
	}
	var ok bool
	if made.net, ok = p.cfg.Networks.Network(made.req.Network); !ok {
		return nil, work.Permanent(fmt.Errorf("network %q is not configured any more", made.req.Network))
	}
	settings, err := p.cfg.State.NetworkSettings(ctx, made.req.Network)
	if err != nil {
		return nil, fmt.Errorf("read network settings: %w", err)
	}
	made.off = settings.Enabled != nil && !*settings.Enabled
	made.expires = made.req.ExpiresAt
	if made.expires.IsZero() {
		made.expires = made.req.AcceptedAt.Add(p.cfg.Expire)
	}
	if !made.req.Templating {
		return made, nil
	}
	for provider, block := range made.req.Blocks {
		compiled, err := Compile(block.Payload, made.req.Meta)
		if err != nil {
			return nil, work.Permanent(fmt.Errorf("read the template for %s of push %s: %w", provider, made.req.ID, err))
		}
		made.templates[provider] = compiled
	}
	return made, nil
}

// Network implements [plan.Plan].
func (p *planned) Network() *work.Network { return p.net }

// Key implements [plan.Plan].
func (p *planned) Key() string { return p.req.Key() }

// Row implements [plan.Plan].
func (p *planned) Row(audience uint32) chatbell.AcceptedEvent {
	return chatbell.AcceptedEvent{
		Network:    p.req.Network,
		EventID:    chatbell.EventID(p.req.ID),
		EventType:  EventType,
		EventTime:  p.req.AcceptedAt,
		AcceptedAt: p.req.AcceptedAt,
		Source:     p.req.Source,
		Audience:   audience,
	}
}

// notification is what all targets share.
func (p *planned) notification() chatbell.Notification {
	return chatbell.Notification{
		Network:     p.req.Network,
		EventID:     chatbell.EventID(p.req.ID),
		EventType:   EventType,
		Rule:        "push",
		SubjectID:   p.req.Group,
		Source:      p.req.Source,
		EventTime:   p.req.AcceptedAt,
		AcceptedAt:  p.req.AcceptedAt,
		ExpiresAt:   p.expires,
		CollapseID:  chatbell.CollapseID(p.req.Network, "", p.req.ID),
		TraceParent: p.req.TraceParent,
	}
}

// cursor is where a page begins: after a device, or at a token.
type cursor struct {
	After chatbell.DeviceID `json:"after,omitempty"`
	Token int               `json:"token,omitempty"`
	// Told says that some device was found.
	Told bool `json:"told,omitempty"`
}

// Page implements [plan.Plan].
func (p *planned) Page(ctx context.Context, from plan.Cursor) (*plan.Page, error) {
	var at cursor
	if from != "" {
		if err := json.Unmarshal([]byte(from), &at); err != nil {
			return nil, work.Permanent(fmt.Errorf("decode the cursor of push %s: %w", p.req.ID, err))
		}
	}
	if p.req.To == nil {
		return p.tokens(at)
	}
	return p.devices(ctx, at)
}

// next writes where the page after this one begins.
func next(page *plan.Page, at cursor) (*plan.Page, error) {
	data, err := json.Marshal(at)
	if err != nil {
		return nil, fmt.Errorf("encode a cursor: %w", err)
	}
	page.Next = plan.Cursor(data)
	return page, nil
}

// tokens plans a page of the tokens that the request names.
func (p *planned) tokens(at cursor) (*plan.Page, error) {
	some := p.req.Tokens[min(at.Token, len(p.req.Tokens)):]
	some = some[:min(len(some), p.cfg.PageLimit)]
	out := p.collector()
	seen := map[Token]bool{}
	for i, one := range some {
		device := &chatbell.Device{Provider: one.Provider, Token: one.Token}
		known, ok := providers.Find(one.Provider)
		var bad error
		if ok {
			device.Platform = known.Platform
			device.Token, bad = known.Token(one.Token)
		}
		switch {
		case seen[one] || p.before(at.Token+i, one):
		case bad != nil:
			device.Token = one.Token
			out.fail(device, chatbell.InvalidToken, "the token "+bad.Error())
		default:
			out.add(device)
		}
		seen[one] = true
	}
	page := out.page(uint32(len(some)))
	at.Token += len(some)
	page.Last = at.Token >= len(p.req.Tokens)
	return next(page, at)
}

// before reports whether a token is among those of the pages before: nobody is told twice.
func (p *planned) before(i int, token Token) bool {
	return slices.Contains(p.req.Tokens[:i-i%p.cfg.PageLimit], token)
}

// devices plans a page of the devices that the request chooses.
func (p *planned) devices(ctx context.Context, at cursor) (*plan.Page, error) {
	choice := *p.req.To
	choice.Usable = true
	found, err := p.cfg.State.ChosenDevices(ctx, p.req.Network, store.DevicePage{Choice: choice, After: at.After, Limit: p.cfg.PageLimit})
	if err != nil {
		return nil, fmt.Errorf("read the devices of push %s: %w", p.req.ID, err)
	}
	out := p.collector()
	if at == (cursor{}) {
		if err := p.missing(ctx, out, choice); err != nil {
			return nil, err
		}
	}
	for i := range found {
		out.add(&found[i].Device)
	}
	at.Told = at.Told || len(found) > 0 || len(out.rows) > 0
	last := len(found) < p.cfg.PageLimit
	if last && !at.Told {
		out.nobody(chatbell.Device{})
	}
	if len(found) > 0 {
		at.After = found[len(found)-1].ID
	}
	page := out.page(uint32(len(found)))
	page.Last = last
	return next(page, at)
}

// missing writes the rows of those who are named and have no device that can be told.
func (p *planned) missing(ctx context.Context, out *collector, choice store.DeviceChoice) error {
	none := func(one store.DeviceChoice) (bool, error) {
		found, err := p.cfg.State.ChosenDevices(ctx, p.req.Network, store.DevicePage{Choice: one, Limit: 1})
		if err != nil {
			return false, fmt.Errorf("read the devices of push %s: %w", p.req.ID, err)
		}
		return len(found) == 0, nil
	}
	for _, user := range choice.Users {
		one := choice
		one.Users = []chatbell.UserID{user}
		if gone, err := none(one); err != nil {
			return err
		} else if gone {
			out.nobody(chatbell.Device{User: user})
		}
	}
	if choice.Users != nil {
		return nil
	}
	for _, id := range choice.IDs {
		one := choice
		one.IDs = []chatbell.DeviceID{id}
		if gone, err := none(one); err != nil {
			return err
		} else if gone {
			out.nobody(chatbell.Device{ID: id})
		}
	}
	return nil
}
