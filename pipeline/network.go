package pipeline

import (
	"time"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/rules"
	"chatbell/templates"
)

// Network is a customer as the pipeline knows it: immutable, replaced as a whole
// when its configuration changes.
type Network struct {
	ID            chatbell.NetworkID
	DefaultLocale string
	Delivery      chatbell.DeliveryMode
	Rules         *rules.Ruleset
	Catalogue     *templates.Catalogue
	// Pushers are the configured credentials.
	Pushers map[Credential]push.Notifier
	// Endpoints are the customer's webhooks, in the order of the configuration.
	Endpoints []chatbell.Endpoint
}

// Credential names one set of push credentials of a network: those of one app at
// one provider.
type Credential struct {
	Provider chatbell.Provider
	App      string
}

// Networks finds a network by its id. Safe for concurrent use.
type Networks interface {
	Network(id chatbell.NetworkID) (*Network, bool)
}

// credentialFor finds the credential for a device: the one of its app, or, for a
// device that names no app, the only one of its provider.
func (n *Network) credentialFor(d *chatbell.Device) (Credential, bool) {
	want := Credential{d.Provider, d.App}
	if _, ok := n.Pushers[want]; ok || d.App != "" {
		return want, ok
	}
	found, count := Credential{}, 0
	for c := range n.Pushers {
		if c.Provider == d.Provider {
			found, count = c, count+1
		}
	}
	return found, count == 1
}

// endpoint finds a webhook by its id.
func (n *Network) endpoint(id chatbell.EndpointID) (chatbell.Endpoint, bool) {
	for _, ep := range n.Endpoints {
		if ep.ID == id {
			return ep, true
		}
	}
	return chatbell.Endpoint{}, false
}

// Retry says when what failed is tried again.
type Retry struct {
	// PushInitial and PushMax bound the exponential wait between tries of a push, each
	// drawn with full jitter.
	PushInitial, PushMax time.Duration
	// PushExpire is how long after its acceptance an event is worth a push.
	PushExpire time.Duration
	// Webhooks are the waits after the first, second, … failed call.
	Webhooks []time.Duration
}

// DefaultRetry is the schedule when the configuration is silent.
func DefaultRetry() Retry {
	return Retry{
		PushInitial: time.Second, PushMax: 5 * time.Minute, PushExpire: 24 * time.Hour,
		Webhooks: []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		},
	}
}
