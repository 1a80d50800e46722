package sandbox

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/providers"
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
	for _, p := range providers.All() {
		c.writeCredential(b, p, app)
	}
	if n.NoWebhook {
		return
	}
	fmt.Fprintf(b, "    webhooks:\n      - {id: main, url: %s, secret: %s, events: [\"*\"], signature: [standard, amity]}\n",
		q(c.HookURL(string(n.ID))), q(c.HookSecret))
}

// simulated are the options of a credential by which a push provider reaches its service
// here, besides the app; none says that the sandbox has no such service.
func (c *Credentials) simulated(provider chatbell.Provider) map[string]string {
	switch provider {
	case chatbell.ProviderAPNs:
		return map[string]string{"endpoint": c.APNsURL, "key_file": c.APNsKeyFile, "key_id": c.APNsKeyID, "team_id": c.APNsTeamID}
	case chatbell.ProviderFCM:
		return map[string]string{"endpoint": c.FCMURL, "credentials_file": c.FCMFile}
	default:
		return nil
	}
}

// writeCredential writes a provider's credential, with its options in their order.
func (c *Credentials) writeCredential(b *strings.Builder, p *push.Provider, app string) {
	options := c.simulated(p.Name)
	if options == nil {
		return
	}
	options[p.App] = app
	options[push.OptionCAFile] = c.CAFile
	var pairs []string
	for _, o := range append(slices.Clone(p.Options), push.Option{Name: push.OptionCAFile}) {
		if value, ok := options[o.Name]; ok {
			pairs = append(pairs, o.Name+": "+q(value))
		}
	}
	fmt.Fprintf(b, "    %s:\n      - {%s}\n", p.Name, strings.Join(pairs, ", "))
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
