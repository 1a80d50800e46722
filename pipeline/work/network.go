package work

import (
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
	// Hosts name the server that each of them speaks to: when it has an outage, all who
	// speak to it have. What is absent shares with nobody.
	Hosts map[Credential]string
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

// CredentialFor finds the credential for a device: the one of its app, or, for a
// device that names no app, the only one of its provider.
func (n *Network) CredentialFor(device *chatbell.Device) (Credential, bool) {
	want := Credential{device.Provider, device.App}
	if _, ok := n.Pushers[want]; ok || device.App != "" {
		return want, ok
	}
	found := Credential{}
	count := 0
	for credential := range n.Pushers {
		if credential.Provider == device.Provider {
			found = credential
			count++
		}
	}
	return found, count == 1
}

// Endpoint finds a webhook by its id.
func (n *Network) Endpoint(id chatbell.EndpointID) (chatbell.Endpoint, bool) {
	for _, endpoint := range n.Endpoints {
		if endpoint.ID == id {
			return endpoint, true
		}
	}
	return chatbell.Endpoint{}, false
}
