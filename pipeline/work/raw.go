package work

import (
	"chatbell"
	"chatbell/pipeline/webhooks"
)

// RawBatches hand an event itself to the endpoints that asked for it, whatever the
// network's delivery mode. Such a call names nobody: it has one target without a
// user, and rows in attempts only.
func RawBatches(net *Network, note *chatbell.Notification, e *chatbell.Event, off map[chatbell.EndpointID]bool) ([]*Batch, error) {
	var out []*Batch
	for _, ep := range net.Endpoints {
		if off[ep.ID] || !webhooks.WantsRaw(ep.Events, e.Type) {
			continue
		}
		b := &Batch{
			Notification: *note, Destination: Destination{Network: net.ID, Endpoint: ep.ID},
			Texts: []chatbell.Text{{}}, Targets: []Target{{}}, Call: &Call{Event: *e, Raw: true},
		}
		if err := b.Seal(); err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}
