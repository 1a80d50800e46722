package work

import (
	"fmt"

	"chatbell"
)

// Destination is where work goes: one credential of one network, or one endpoint.
// Each destination has a queue of its own.
type Destination struct {
	Network  chatbell.NetworkID  `json:"network"`
	Provider chatbell.Provider   `json:"provider,omitempty"`
	App      string              `json:"app,omitempty"`
	Endpoint chatbell.EndpointID `json:"endpoint,omitempty"`
}

// String names the destination in logs, metrics and the store.
func (d Destination) String() string {
	if d.Endpoint != "" {
		return fmt.Sprintf("%s/webhook/%s", d.Network, d.Endpoint)
	}
	return fmt.Sprintf("%s/%s/%s", d.Network, d.Provider, d.App)
}

// Kind is the kind of target behind the destination.
func (d Destination) Kind() chatbell.TargetKind {
	if d.Endpoint != "" {
		return chatbell.TargetWebhook
	}
	return chatbell.TargetKind(d.Provider)
}
