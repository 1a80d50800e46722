package sandbox

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"chatbell"
)

// Credentials are what a chatbell configuration needs to use a sandbox: where the
// services are, and the absolute paths of the files with keys.
type Credentials struct {
	// CAFile holds the authority behind the certificates of APNs and FCM.
	CAFile string
	// APNsURL is the endpoint in place of Apple's.
	APNsURL, APNsKeyFile, APNsKeyID, APNsTeamID string
	// FCMURL is the endpoint in place of Google's; FCMFile is the service account, whose
	// token_uri is at the sandbox too.
	FCMURL, FCMFile, FCMProject string
	// URL is the plain HTTP listener: webhooks, control and reading back.
	URL string
	// HookSecret is the secret of every webhook that Config.HookSecrets does not name.
	HookSecret string

	network string // the address that it listens on
}

// HookURL is where a webhook of this name is received.
func (c *Credentials) HookURL(name string) string { return c.URL + "/hooks/" + name }

// Network is a customer in a configuration for this sandbox.
type Network struct {
	ID            chatbell.NetworkID
	DefaultLocale string
	// Delivery is direct where empty.
	Delivery chatbell.DeliveryMode
	// Key is the server key; it may be env:NAME or file:PATH.
	Key string
	// App is the bundle id at APNs and the app at FCM; com.<id>.chat where empty.
	App string
	// NoWebhook leaves out the webhook, which would get every event.
	NoWebhook bool
}

// YAML is the part of a chatbell.yaml that makes these networks use the sandbox:
// allow_private_networks and networks. Each has both push services, and, if
// not told otherwise, a webhook named main whose calls arrive at the sandbox under the
// network's id: notifications and raw events.
func (c *Credentials) YAML(networks ...Network) string {
	var out strings.Builder
	fmt.Fprintf(&out, "allow_private_networks: [%s]\n", q(c.allow()))
	out.WriteString("networks:\n")
	for i := range networks {
		c.writeNetwork(&out, &networks[i])
	}
	return out.String()
}

func (c *Credentials) writeNetwork(b *strings.Builder, n *Network) {
	app := n.App
	locale := n.DefaultLocale
	delivery := n.Delivery
	if app == "" {
		app = "com." + string(n.ID) + ".chat"
	}
	if locale == "" {
		locale = "en"
	}
	if delivery == "" {
		delivery = chatbell.DeliverDirect
	}
	fmt.Fprintf(b, "  - id: %s\n    default_locale: %s\n    delivery: %s\n", q(n.ID), q(locale), q(delivery))
	fmt.Fprintf(b, "    keys:\n      - {id: backend, secret: %s, scope: server}\n", q(n.Key))
	fmt.Fprintf(b, "    apns:\n      - {bundle_id: %s, endpoint: %s, key_file: %s, key_id: %s, team_id: %s, ca_file: %s}\n",
		q(app), q(c.APNsURL), q(c.APNsKeyFile), q(c.APNsKeyID), q(c.APNsTeamID), q(c.CAFile))
	fmt.Fprintf(b, "    fcm:\n      - {app: %s, credentials_file: %s, endpoint: %s, ca_file: %s}\n",
		q(app), q(c.FCMFile), q(c.FCMURL), q(c.CAFile))
	if n.NoWebhook {
		return
	}
	fmt.Fprintf(b, "    webhooks:\n      - {id: main, url: %s, secret: %s, events: [\"*\"], signature: [standard, amity]}\n",
		q(c.HookURL(string(n.ID))), q(c.HookSecret))
}

// allow is the network of the address that the sandbox listens on.
func (c *Credentials) allow() string {
	a, err := netip.ParseAddr(c.network)
	if err != nil || a.IsUnspecified() || a.IsLoopback() && a.Is4() {
		return "127.0.0.0/8"
	}
	return netip.PrefixFrom(a, a.BitLen()).String()
}

// q quotes for YAML, which takes JSON's strings.
func q[S ~string](s S) string {
	out, err := json.Marshal(string(s))
	if err != nil {
		return `""` // a string always encodes
	}
	return string(out)
}
