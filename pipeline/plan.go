package pipeline

import (
	"fmt"
	"time"

	"chatbell"
	"chatbell/pipeline/webhooks"
	"chatbell/rules"
	"chatbell/templates"
)

// plan collects what follows from one trigger of one event: finished rows for those
// who are not told, batches for those who are. It decides nothing itself. Not safe
// for concurrent use.
type plan struct {
	net    *Network
	event  *chatbell.Event
	note   chatbell.Notification
	input  templates.Input
	off    map[chatbell.EndpointID]bool // endpoints that are disabled
	now    time.Time
	pages  map[callGroup]int // how many webhook pages each group has had
	totals map[callGroup]int // how many it will have; nil where all fits into one plan

	rows    []chatbell.Delivery
	batches map[Destination][]*Batch
	order   []Destination // the batches' destinations as they came, so that a repeat gives the same
	targets int
}

// callGroup is who can be named in the same webhook calls: the same words.
type callGroup struct {
	Endpoint chatbell.EndpointID
	Locale   string
}

// maxBatch bounds the targets of a push batch: one text per language and some 250
// tokens are about 30 KiB, one database query at send, one page of work to repeat.
const maxBatch = 256

// maxCallTargets is how many people one webhook call names.
const maxCallTargets = webhooks.MaxTargets

// suppress notes that somebody is not told.
func (p *plan) suppress(user chatbell.UserID, level chatbell.Level, reason chatbell.Reason) {
	d := baseRow(&p.note)
	d.UserID, d.Target, d.Outcome, d.Level, d.Reason = user, chatbell.TargetNone, chatbell.Suppressed, level, reason
	d.DeliveryID = chatbell.NewDeliveryID(p.note.Network, p.note.EventID, p.note.Rule, p.note.SubjectID, user, string(chatbell.TargetNone))
	d.FinishedAt = p.now
	p.rows = append(p.rows, d)
}

// add takes one recipient with what was decided.
func (p *plan) add(r *chatbell.Recipient, dec rules.Decision) error {
	if !dec.Notify {
		p.suppress(r.User.ID, dec.Level, dec.Reason)
		return nil
	}
	if p.net.Delivery != chatbell.DeliverWebhook {
		if err := p.addDevices(r); err != nil {
			return err
		}
	}
	if p.net.Delivery != chatbell.DeliverDirect {
		return p.addEndpoints(r)
	}
	return nil
}

func (p *plan) addDevices(r *chatbell.Recipient) error {
	if len(r.Devices) == 0 {
		p.suppress(r.User.ID, chatbell.LevelDevice, chatbell.NoDevice)
	}
	for i := range r.Devices {
		d := &r.Devices[i]
		cred, known := p.net.credentialFor(d)
		dest := Destination{Network: p.net.ID, Provider: d.Provider, App: cred.App}
		t := Target{User: r.User.ID, Device: d.ID, Token: d.Token, Platform: d.Platform, Sandbox: d.Sandbox}
		if !known {
			p.noCredential(dest, t, d)
			continue
		}
		if err := p.put(dest, t, firstOf(d.Locale, r.User.Locale), maxBatch); err != nil {
			return err
		}
	}
	return nil
}

// noCredential records a device that nothing configured can reach: the operator's
// mistake, which must be seen, not retried.
func (p *plan) noCredential(dest Destination, t Target, d *chatbell.Device) {
	b := Batch{Notification: p.note, Destination: dest, Texts: []chatbell.Text{{}}}
	row := b.delivery(&t, verdict{outcome: chatbell.Failed, reason: chatbell.Auth}, nil, p.now)
	row.App, row.ProviderReason = d.App, "no credential is configured for this provider and app"
	p.rows = append(p.rows, row)
}

func (p *plan) addEndpoints(r *chatbell.Recipient) error {
	for _, ep := range p.net.Endpoints {
		if p.off[ep.ID] {
			b := Batch{Notification: p.note, Destination: Destination{Network: p.net.ID, Endpoint: ep.ID}, Texts: []chatbell.Text{{}}}
			t := Target{User: r.User.ID}
			p.rows = append(p.rows, b.delivery(&t, verdict{outcome: chatbell.Failed, reason: chatbell.EndpointDisabled}, nil, p.now))
			continue
		}
		if !webhooks.WantsPush(ep.Events, p.event.Type) {
			continue
		}
		dest := Destination{Network: p.net.ID, Endpoint: ep.ID}
		if err := p.put(dest, Target{User: r.User.ID}, r.User.Locale, maxCallTargets); err != nil {
			return err
		}
	}
	return nil
}

// put adds a target to the open batch of its destination and language.
func (p *plan) put(dest Destination, t Target, locale string, limit int) error {
	locale = p.net.Catalogue.Resolve(locale)
	b := p.open(dest, locale, limit)
	i, err := p.textOf(b, locale)
	if err != nil {
		return err
	}
	t.Text = i
	b.Targets = append(b.Targets, t)
	p.targets++
	return nil
}

// open finds the batch that takes the next target. A webhook call speaks one
// language, because its body has one title; a push batch carries several.
func (p *plan) open(dest Destination, locale string, limit int) *Batch {
	list := p.batches[dest]
	for i := len(list) - 1; i >= 0; i-- {
		b := list[i]
		if len(b.Targets) < limit && (dest.Endpoint == "" || b.Texts[0].Locale == locale) {
			return b
		}
		if dest.Endpoint == "" {
			break // only the last push batch is open
		}
	}
	b := &Batch{Notification: p.note, Destination: dest, Badge: p.event.Badge}
	if p.event.Message != nil {
		b.MessageID = p.event.Message.ID
	}
	if dest.Endpoint != "" {
		g := callGroup{dest.Endpoint, locale}
		p.pages[g]++
		b.Call = &Call{Event: *p.event, Page: p.pages[g]}
	}
	if list == nil {
		p.order = append(p.order, dest)
	}
	p.batches[dest] = append(list, b)
	return b
}

// textOf finds or renders the batch's text in a language: once for each language,
// not for each person.
func (p *plan) textOf(b *Batch, locale string) (int, error) {
	for i := range b.Texts {
		if b.Texts[i].Locale == locale {
			return i, nil
		}
	}
	text, err := p.net.Catalogue.Render(p.note.Template, locale, p.input)
	if err != nil {
		return 0, fmt.Errorf("render %s in %s: %w", p.note.Template, locale, err)
	}
	text.Locale = locale
	b.Texts = append(b.Texts, text)
	return len(b.Texts) - 1, nil
}

// take hands out the batches collected so far, sealed, and starts anew; the page
// numbers go on.
func (p *plan) take() ([]*Batch, error) {
	var out []*Batch
	for _, dest := range p.order {
		for _, b := range p.batches[dest] {
			if b.Call != nil {
				g := callGroup{dest.Endpoint, b.Texts[0].Locale}
				b.Call.Pages = max(p.totals[g], p.pages[g])
			}
			if err := b.seal(); err != nil {
				return nil, err
			}
			out = append(out, b)
		}
	}
	p.order, p.targets = nil, 0
	clear(p.batches)
	return out, nil
}

// takeRows hands out the finished rows collected so far.
func (p *plan) takeRows() []chatbell.Delivery {
	rows := p.rows
	p.rows = nil
	return rows
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
