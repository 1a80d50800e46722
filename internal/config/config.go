// Package config reads the configuration: defaults, then a YAML file, then the
// environment (CHATBELL_ and the key in capitals, levels joined by __), then flags;
// later wins. Every key is known: an unknown one is refused with the nearest known
// name, one whose feature is not in this build is refused by name. All that is wrong is
// told at once, each with file, line, key, value and mend.
//
// The table in settings.go says for each key what it means and what it may be. The
// checks, the annotated example ([Example]) and the reference ([Reference]) are made
// from it.
//
// Any secret may be given as env:NAME or file:PATH; paths are relative to the
// configuration file. A [Secret] and a [URL] never print what is secret.
package config

import (
	"net/netip"
	"strings"
	"time"

	"chatbell"
	"chatbell/pipeline/deliver"
	"chatbell/templates"
)

// Embedded is the value of store, broker and clickhouse for the part that lives in
// this process or below it.
const Embedded = "embedded"

// Config is a whole configuration, checked. It is not changed after [Load].
type Config struct {
	Data                 string         `yaml:"data"`
	Listen               string         `yaml:"listen"`
	AdminKey             Secret         `yaml:"admin_key"`
	Store                URL            `yaml:"store"`
	Broker               URL            `yaml:"broker"`
	BrokerReplicas       Number         `yaml:"broker_replicas"`
	BrokerStorage        Size           `yaml:"broker_storage"`
	ClickHouse           URL            `yaml:"clickhouse"`
	ClickHouseListen     string         `yaml:"clickhouse_listen"`
	ClickHouseUser       string         `yaml:"clickhouse_user"`
	ClickHousePassword   Secret         `yaml:"clickhouse_password"`
	ClickHouseEngine     string         `yaml:"clickhouse_engine"`
	ShutdownTimeout      time.Duration  `yaml:"shutdown_timeout"`
	AllowPrivateNetworks []netip.Prefix `yaml:"allow_private_networks"`
	Durability           string         `yaml:"durability"`
	DedupWindow          time.Duration  `yaml:"dedup_window"`
	CAFiles              []string       `yaml:"ca_files"`
	Quota                Quota          `yaml:"quota"`
	Retry                Retry          `yaml:"retry"`
	Centrifugo           Centrifugo     `yaml:"centrifugo"`
	Networks             []Network      `yaml:"networks"`

	// Warnings are what is odd, but no mistake.
	Warnings []Problem `yaml:"-"`
}

// Centrifugo is the surface for callers of Centrifugo's push API.
type Centrifugo struct {
	// Listen is its address; empty means that there is none.
	Listen string `yaml:"listen"`
	// GRPCListen is its address for gRPC; empty means that there is none.
	GRPCListen string `yaml:"grpc_listen"`
}

// Retry says when what failed is tried again.
type Retry struct {
	Webhooks []time.Duration `yaml:"webhooks"`
	Push     RetryPush       `yaml:"push"`
}

// RetryPush bounds the waits between tries of a push.
type RetryPush struct {
	Initial time.Duration `yaml:"initial"`
	Max     time.Duration `yaml:"max"`
	Expire  time.Duration `yaml:"expire"`
}

// Quota bounds what one network may send in a second; 0 is no limit.
type Quota struct {
	EventsPerSecond Number `yaml:"events_per_second"`
	BytesPerSecond  Number `yaml:"bytes_per_second"`
}

// Network is a customer.
type Network struct {
	ID            chatbell.NetworkID              `yaml:"id"`
	DefaultLocale string                          `yaml:"default_locale"`
	Delivery      chatbell.DeliveryMode           `yaml:"delivery"`
	Keys          []Key                           `yaml:"keys"`
	Push          pushCredentials                 `yaml:",inline"`
	Webhooks      []Webhook                       `yaml:"webhooks"`
	Amity         []AmityHook                     `yaml:"amity"`
	Templates     map[string]map[string]TextPatch `yaml:"templates"`
	Quota         Quota                           `yaml:"quota"`
}

// AmityHook is a webhook at Amity that calls chatbell.
type AmityHook struct {
	Secret    Secret `yaml:"secret"`
	Signature string `yaml:"signature"`
}

// Key is an API key of a network.
type Key struct {
	ID     string            `yaml:"id"`
	Secret Secret            `yaml:"secret"`
	Scope  chatbell.KeyScope `yaml:"scope"`
}

// Webhook is a customer's endpoint.
type Webhook struct {
	ID        chatbell.EndpointID `yaml:"id"`
	URL       URL                 `yaml:"url"`
	Secret    Secret              `yaml:"secret"`
	Events    []string            `yaml:"events"`
	Signature []string            `yaml:"signature"`
}

// TextPatch is a network's own text of a template in one language.
type TextPatch struct {
	Title string `yaml:"title"`
	Body  string `yaml:"body"`
}

// defaults is the configuration of a start without any.
func defaults() *Config {
	retry := deliver.DefaultRetry()
	embedded := URL{hidden: hidden{value: Embedded}}
	return &Config{
		Data:                 "./data",
		Listen:               "127.0.0.1:8080",
		Store:                embedded,
		Broker:               embedded,
		BrokerStorage:        25 << 30,
		ClickHouse:           embedded,
		ClickHouseListen:     "127.0.0.1:8123",
		ClickHouseUser:       "analyst",
		ShutdownTimeout:      30 * time.Second,
		Durability:           "page-cache",
		DedupWindow:          10 * time.Minute,
		AllowPrivateNetworks: []netip.Prefix{},
		CAFiles:              []string{},
		Networks:             []Network{},
		Retry: Retry{Webhooks: retry.Webhooks, Push: RetryPush{
			Initial: retry.PushInitial,
			Max:     retry.PushMax,
			Expire:  retry.PushExpire,
		}},
	}
}

// EmbeddedClickHouse reports whether the engine runs below this process.
func (c *Config) EmbeddedClickHouse() bool { return c.ClickHouse.Reveal() == Embedded }

// BrokerURLs are the external broker's addresses; none means the embedded one.
func (c *Config) BrokerURLs() []string {
	if c.Broker.Reveal() == Embedded {
		return nil
	}
	var urls []string
	for address := range strings.SplitSeq(c.Broker.Reveal(), ",") {
		urls = append(urls, strings.TrimSpace(address))
	}
	return urls
}

// QuotaOf is the quota of a network: its own, else that of all.
func (c *Config) QuotaOf(id chatbell.NetworkID) Quota {
	for i := range c.Networks {
		if c.Networks[i].ID == id {
			return c.Networks[i].Quota
		}
	}
	return c.Quota
}

// PipelineRetry is the schedule in the pipeline's words.
func (c *Config) PipelineRetry() deliver.Retry {
	return deliver.Retry{
		PushInitial: c.Retry.Push.Initial, PushMax: c.Retry.Push.Max, PushExpire: c.Retry.Push.Expire, Webhooks: c.Retry.Webhooks,
	}
}

// Endpoints are the network's webhooks in the domain's words.
func (n *Network) Endpoints() []chatbell.Endpoint {
	out := make([]chatbell.Endpoint, len(n.Webhooks))
	for i, hook := range n.Webhooks {
		out[i] = chatbell.Endpoint{
			ID:         hook.ID,
			URL:        hook.URL.Reveal(),
			Secret:     hook.Secret.Reveal(),
			Events:     hook.Events,
			Signatures: hook.Signature,
		}
	}
	return out
}

// Overrides are the network's own texts in the catalogue's words.
func (n *Network) Overrides() map[string]map[string]templates.Override {
	out := make(map[string]map[string]templates.Override, len(n.Templates))
	for name, locales := range n.Templates {
		out[name] = make(map[string]templates.Override, len(locales))
		for locale, patch := range locales {
			out[name][locale] = templates.Override(patch)
		}
	}
	return out
}
