package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"chatbell"
	"chatbell/pipeline/webhooks"
)

// rawBatches hand an event itself to the endpoints that asked for it, whatever the
// network's delivery mode. Such a call names nobody: it has one target without a
// user, and rows in attempts only.
func rawBatches(net *Network, note *chatbell.Notification, e *chatbell.Event, off map[chatbell.EndpointID]bool) ([]*Batch, error) {
	var out []*Batch
	for _, ep := range net.Endpoints {
		if off[ep.ID] || !webhooks.WantsRaw(ep.Events, e.Type) {
			continue
		}
		b := &Batch{
			Notification: *note, Destination: Destination{Network: net.ID, Endpoint: ep.ID},
			Texts: []chatbell.Text{{}}, Targets: []Target{{}}, Call: &Call{Event: *e, Raw: true},
		}
		if err := b.seal(); err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// isRaw reports whether the batch hands over an event instead of notifying anybody.
func (b *Batch) isRaw() bool { return b.Call != nil && b.Call.Raw }

// raw are the calls with the event itself.
func (m *matcher) raw(ctx context.Context, ev *matched) ([]*Batch, error) {
	if len(ev.net.Endpoints) == 0 {
		return nil, nil
	}
	if err := m.loadDisabled(ctx, ev); err != nil {
		return nil, err
	}
	e := &ev.env.Event
	return rawBatches(ev.net, &chatbell.Notification{
		Network: ev.env.Network, EventID: e.ID, EventType: e.Type, ChannelID: e.Channel.ID, Source: ev.env.Source,
		EventTime: e.Time, AcceptedAt: ev.env.AcceptedAt, TraceParent: ev.env.TraceParent,
	}, e, ev.off)
}

func (m *matcher) loadDisabled(ctx context.Context, ev *matched) error {
	if ev.off != nil || len(ev.net.Endpoints) == 0 {
		return nil
	}
	off, err := m.state.DisabledEndpoints(ctx)
	if err != nil {
		return fmt.Errorf("read disabled endpoints: %w", err)
	}
	ev.off = make(map[chatbell.EndpointID]bool, len(off[ev.env.Network]))
	for ep := range off[ev.env.Network] {
		ev.off[ep] = true
	}
	return nil
}

// DeviceRemoved is the type of the raw event that tells a customer of a push token
// that a provider has declared dead. Its data has device_id, provider, app and reason.
const DeviceRemoved chatbell.EventType = "device.removed"

// newsDelay is time enough to take the news back, where the device has another token.
const newsDelay = time.Second

// tellDead queues the news of a dead token for the customer's endpoints, and returns
// what to delete from the store to take it back.
func (h *handed) tellDead(ctx context.Context, t *Target, why *chatbell.SendError, now time.Time) ([]string, error) {
	note := h.batch.Notification
	d := h.batch.Destination
	data, err := json.Marshal(map[string]string{
		"device_id": string(t.Device), "provider": string(d.Provider), "app": d.App, "reason": string(why.Reason), "provider_reason": why.ProviderReason,
	})
	if err != nil {
		return nil, fmt.Errorf("tell of a dead token: %w", err)
	}
	e := &chatbell.Event{Type: DeviceRemoved, Time: now, User: &chatbell.Person{ID: t.User}, Data: data}
	note.EventType, note.SubjectID = DeviceRemoved, string(t.Device)
	batches, err := rawBatches(h.net, &note, e, nil)
	if err != nil {
		return nil, err
	}
	news := make([]waiting, len(batches))
	for i, b := range batches {
		news[i] = waiting{b, now.Add(newsDelay)}
	}
	return h.s.later.put(ctx, news)
}
