package work

import (
	"fmt"
	"strings"

	"chatbell"
)

// Destination is where work goes: one credential of one network, or one endpoint.
// Each destination has a queue, a circuit breaker and a backlog of its own.
type Destination struct {
	Network  chatbell.NetworkID  `json:"network"`
	Provider chatbell.Provider   `json:"provider,omitempty"`
	App      string              `json:"app,omitempty"`
	Endpoint chatbell.EndpointID `json:"endpoint,omitempty"`
}

// String names the destination in logs and in the store.
func (d Destination) String() string {
	if d.Endpoint != "" {
		return fmt.Sprintf("%s/%s/%s", d.Network, chatbell.TargetWebhook, d.Endpoint)
	}
	return fmt.Sprintf("%s/%s/%s", d.Network, d.Provider, d.App)
}

// ParseDestination reads what String wrote. Neither a network's id nor a provider's name
// has a slash in it.
func ParseDestination(text string) (Destination, error) {
	parts := strings.SplitN(text, "/", 3)
	switch {
	case len(parts) != 3 || parts[0] == "" || parts[1] == "":
		return Destination{}, fmt.Errorf("%q is no destination", text)
	case parts[1] == string(chatbell.TargetWebhook):
		return Destination{Network: chatbell.NetworkID(parts[0]), Endpoint: chatbell.EndpointID(parts[2])}, nil
	}
	return Destination{Network: chatbell.NetworkID(parts[0]), Provider: chatbell.Provider(parts[1]), App: parts[2]}, nil
}

// Kind is the kind of target behind the destination.
func (d Destination) Kind() chatbell.TargetKind {
	if d.Endpoint != "" {
		return chatbell.TargetWebhook
	}
	return chatbell.TargetKind(d.Provider)
}
