package push

import (
	"encoding/json"
	"fmt"

	"chatbell"
	"chatbell/pipeline/plan"
	content "chatbell/pipeline/push"
	"chatbell/pipeline/work"
)

// collector collects the work and the rows of one page. Not safe for concurrent use.
type collector struct {
	of      *planned
	note    chatbell.Notification
	rows    []chatbell.Delivery
	batches []*work.Batch
	open    map[group]*work.Batch // the last batch of each group
}

// group is what a batch has one of.
type group struct {
	destination work.Destination
	payload     string
}

func (p *planned) collector() *collector {
	return &collector{of: p, note: p.notification(), open: map[group]*work.Batch{}}
}

// page is what was collected.
func (c *collector) page(people uint32) *plan.Page {
	return &plan.Page{Rows: c.rows, Batches: c.batches, People: people}
}

// add takes in a device.
func (c *collector) add(device *chatbell.Device) {
	block, ok := c.of.req.Blocks[device.Provider]
	switch {
	case c.of.off:
		c.suppress(device, chatbell.LevelNetwork, chatbell.NetworkOff, "")
		return
	case !ok:
		c.suppress(device, chatbell.LevelDevice, chatbell.NoDevice, "the push has no payload for "+string(device.Provider))
		return
	}
	credential, ok := c.of.credential(device, block)
	if !ok {
		c.fail(device, chatbell.Auth, "no credential is configured for this provider and app")
		return
	}
	payload, locale, err := c.of.payload(device, block)
	if err != nil {
		c.fail(device, chatbell.Rejected, err.Error())
		return
	}
	destination := work.Destination{Network: c.of.net.ID, Provider: device.Provider, App: credential.App}
	batch := c.batch(destination, block.Headers, payload)
	target := targetOf(device)
	target.Text = textOf(batch, locale)
	batch.Targets = append(batch.Targets, target)
}

func targetOf(d *chatbell.Device) work.Target {
	return work.Target{User: d.User, Device: d.ID, Token: d.Token, Platform: d.Platform, Sandbox: d.Sandbox}
}

// batch finds the batch that takes the next target with a payload.
func (c *collector) batch(destination work.Destination, headers map[string]string, payload json.RawMessage) *work.Batch {
	key := group{destination, string(payload)}
	if b := c.open[key]; b != nil && len(b.Targets) < work.MaxBatch {
		return b
	}
	b := &work.Batch{
		Notification: c.note,
		Destination:  destination,
		Push:         &work.Push{Kind: content.Raw, Payload: payload, Headers: headers},
	}
	c.open[key] = b
	c.batches = append(c.batches, b)
	return b
}

// textOf finds the batch's entry for a language: what is shown is in the payload, the rows
// tell its language.
func textOf(b *work.Batch, locale string) int {
	for i := range b.Texts {
		if b.Texts[i].Locale == locale {
			return i
		}
	}
	b.Texts = append(b.Texts, chatbell.Text{Locale: locale})
	return len(b.Texts) - 1
}

// credential finds the credential for a device: one that knows no app goes by the one that
// the push names, or else by the only one.
func (p *planned) credential(device *chatbell.Device, block Block) (work.Credential, bool) {
	if device.App == "" {
		named := work.Credential{Provider: device.Provider, App: block.App}
		if _, ok := p.net.Pushers[named]; ok {
			return named, true
		}
	}
	return p.net.CredentialFor(device)
}

// payload is what a device gets, in its language, if there are any.
func (p *planned) payload(device *chatbell.Device, block Block) (json.RawMessage, string, error) {
	compiled := p.templates[device.Provider]
	if compiled == nil || compiled.Constant() {
		return block.Payload, device.Locale, nil
	}
	locale, translations := words(p.req.Localizations, device.Locale)
	if locale == "" {
		locale = device.Locale
	}
	values := &Values{DeviceID: string(device.ID), User: string(device.User), Words: translations}
	if p.req.Meta {
		values.Meta = device.Meta
	}
	out, err := compiled.Render(values)
	return out, locale, err
}

// fail writes the row of a device that cannot be sent to.
func (c *collector) fail(device *chatbell.Device, reason chatbell.Reason, why string) {
	row := c.row(device, chatbell.Failed, reason)
	row.ProviderReason = why
	c.rows = append(c.rows, row)
}

// suppress writes the row of a device that is not told.
func (c *collector) suppress(device *chatbell.Device, level chatbell.Level, reason chatbell.Reason, why string) {
	row := c.row(device, chatbell.Suppressed, reason)
	row.Level = level
	row.ProviderReason = why
	c.rows = append(c.rows, row)
}

func (c *collector) row(device *chatbell.Device, outcome chatbell.Outcome, reason chatbell.Reason) chatbell.Delivery {
	b := work.Batch{
		Notification: c.note,
		Destination:  work.Destination{Network: c.of.net.ID, Provider: device.Provider, App: device.App},
		Texts:        []chatbell.Text{{Locale: device.Locale}},
	}
	target := targetOf(device)
	return b.Delivery(&target, outcome, reason, nil, c.of.cfg.Now())
}

// nobody writes the row of somebody, or something, that is named and cannot be told.
func (c *collector) nobody(named chatbell.Device) {
	n := &c.note
	row := work.BaseRow(n)
	row.DeliveryID = chatbell.NewDeliveryID(n.Network, n.EventID, n.Rule, n.SubjectID, named.User, fmt.Sprintf("%s:%s", chatbell.TargetNone, named.ID))
	row.UserID = named.User
	row.DeviceID = named.ID
	row.Target = chatbell.TargetNone
	row.Outcome = chatbell.Suppressed
	row.Level = chatbell.LevelDevice
	row.Reason = chatbell.NoDevice
	row.FinishedAt = c.of.cfg.Now()
	c.rows = append(c.rows, row)
}
