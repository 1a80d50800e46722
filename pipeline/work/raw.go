package work

import (
	"chatbell"
	"chatbell/pipeline/webhooks"
)

// RawBatches hand an event itself to the endpoints that asked for it, whatever the
// network's delivery mode. Such a call names nobody: it has one target without a
// user, and rows in attempts only.
func RawBatches(net *Network, note *chatbell.Notification, event *chatbell.Event, off map[chatbell.EndpointID]bool) ([]*Batch, error) {
	var out []*Batch
	for _, endpoint := range net.Endpoints {
		if off[endpoint.ID] || !webhooks.WantsRaw(endpoint.Events, event) {
			continue
		}
		batch := &Batch{
			Notification: *note,
			Destination:  Destination{Network: net.ID, Endpoint: endpoint.ID},
			Texts:        []chatbell.Text{{}},
			Targets:      []Target{{}},
			Call:         &Call{Event: *event, Raw: true},
		}
		if err := batch.Seal(); err != nil {
			return nil, err
		}
		out = append(out, batch)
	}
	return out, nil
}
