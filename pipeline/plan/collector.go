package plan

import (
	"slices"
	"time"

	"chatbell"
	"chatbell/pipeline/webhooks"
	"chatbell/pipeline/work"
)

// Collector collects what one notification means for the people of one page: finished
// rows for those who are not told, batches for those who are. It decides nothing itself.
// Not safe for concurrent use.
type Collector struct {
	Network *work.Network
	// Notification is what the rows and batches share.
	Notification chatbell.Notification
	// Event is what a webhook call tells of.
	Event *chatbell.Event
	// Disabled are the endpoints that are not called.
	Disabled map[chatbell.EndpointID]bool
	// Text gives the notification in a language, the same each time. It is asked once for
	// each batch and language.
	Text func(locale string) (chatbell.Text, error)
	Now  time.Time

	rows    []chatbell.Delivery
	batches map[work.Destination][]*work.Batch
	order   []work.Destination // as they came, so that a repeat gives the same
}

// Suppress notes that somebody is not told.
func (c *Collector) Suppress(user chatbell.UserID, level chatbell.Level, reason chatbell.Reason) {
	n := &c.Notification
	row := work.BaseRow(n)
	row.DeliveryID = chatbell.NewDeliveryID(n.Network, n.EventID, n.Rule, n.SubjectID, user, string(chatbell.TargetNone))
	row.UserID = user
	row.Target = chatbell.TargetNone
	row.Outcome = chatbell.Suppressed
	row.Level = level
	row.Reason = reason
	row.FinishedAt = c.Now
	c.rows = append(c.rows, row)
}

// Notify adds the targets of somebody who is told.
func (c *Collector) Notify(r *chatbell.Recipient) error {
	if c.Network.Delivery != chatbell.DeliverWebhook {
		if err := c.addDevices(r); err != nil {
			return err
		}
	}
	if c.Network.Delivery != chatbell.DeliverDirect {
		return c.addEndpoints(r)
	}
	return nil
}

// Take hands out what was collected: the rows, and the batches, destination by
// destination.
func (c *Collector) Take() ([]chatbell.Delivery, []*work.Batch) {
	var batches []*work.Batch
	for _, dest := range c.order {
		batches = append(batches, c.batches[dest]...)
	}
	rows := c.rows
	c.rows = nil
	c.order = nil
	clear(c.batches)
	return rows, batches
}

func (c *Collector) addDevices(r *chatbell.Recipient) error {
	if len(r.Devices) == 0 {
		c.Suppress(r.User.ID, chatbell.LevelDevice, chatbell.NoDevice)
	}
	for i := range r.Devices {
		device := &r.Devices[i]
		cred, known := c.Network.CredentialFor(device)
		dest := work.Destination{Network: c.Network.ID, Provider: device.Provider, App: cred.App}
		t := work.Target{
			User:     r.User.ID,
			Device:   device.ID,
			Token:    device.Token,
			Platform: device.Platform,
			Sandbox:  device.Sandbox,
		}
		if !known {
			c.noCredential(dest, t, device)
			continue
		}
		locale := device.Locale
		if locale == "" {
			locale = r.User.Locale
		}
		if err := c.put(dest, t, locale, work.MaxBatch); err != nil {
			return err
		}
	}
	return nil
}

// noCredential records a device that nothing configured can reach: the operator's
// mistake, which must be seen, not retried.
func (c *Collector) noCredential(dest work.Destination, t work.Target, d *chatbell.Device) {
	b := work.Batch{Notification: c.Notification, Destination: dest, Texts: []chatbell.Text{{}}}
	row := b.Delivery(&t, chatbell.Failed, chatbell.Auth, nil, c.Now)
	row.App = d.App
	row.ProviderReason = "no credential is configured for this provider and app"
	c.rows = append(c.rows, row)
}

func (c *Collector) addEndpoints(r *chatbell.Recipient) error {
	for _, endpoint := range c.Network.Endpoints {
		dest := work.Destination{Network: c.Network.ID, Endpoint: endpoint.ID}
		t := work.Target{User: r.User.ID}
		if c.Disabled[endpoint.ID] {
			b := work.Batch{Notification: c.Notification, Destination: dest, Texts: []chatbell.Text{{}}}
			c.rows = append(c.rows, b.Delivery(&t, chatbell.Failed, chatbell.EndpointDisabled, nil, c.Now))
			continue
		}
		if !webhooks.WantsPush(endpoint.Events, c.Event.Type) {
			continue
		}
		if err := c.put(dest, t, r.User.Locale, work.MaxCallTargets); err != nil {
			return err
		}
	}
	return nil
}

// put adds a target to the open batch of its destination and language.
func (c *Collector) put(dest work.Destination, t work.Target, locale string, limit int) error {
	locale = c.Network.Catalogue.Resolve(locale)
	b := c.open(dest, locale, limit)
	i, err := c.textOf(b, locale)
	if err != nil {
		return err
	}
	t.Text = i
	b.Targets = append(b.Targets, t)
	return nil
}

// open finds the batch that takes the next target. A webhook call speaks one
// language, because its body has one title; a push batch carries several.
func (c *Collector) open(dest work.Destination, locale string, limit int) *work.Batch {
	list := c.batches[dest]
	for _, b := range slices.Backward(list) {
		if len(b.Targets) < limit && (dest.Endpoint == "" || b.Texts[0].Locale == locale) {
			return b
		}
		if dest.Endpoint == "" {
			break // only the last push batch is open
		}
	}
	b := &work.Batch{Notification: c.Notification, Destination: dest, Badge: c.Event.Badge}
	if c.Event.Message != nil {
		b.MessageID = c.Event.Message.ID
	}
	if dest.Endpoint != "" {
		b.Call = &work.Call{Event: *c.Event}
	}
	if list == nil {
		c.order = append(c.order, dest)
	}
	if c.batches == nil {
		c.batches = map[work.Destination][]*work.Batch{}
	}
	c.batches[dest] = append(list, b)
	return b
}

// textOf finds the batch's text in a language, or adds it.
func (c *Collector) textOf(b *work.Batch, locale string) (int, error) {
	for i := range b.Texts {
		if b.Texts[i].Locale == locale {
			return i, nil
		}
	}
	text, err := c.Text(locale)
	if err != nil {
		return 0, err
	}
	b.Texts = append(b.Texts, text)
	return len(b.Texts) - 1, nil
}
