// Package config reads the configuration: defaults, then a YAML file, then the
// environment (CHATBELL_ and the key in capitals, levels joined by __), then flags;
// later wins. Every key is known: an unknown one is refused with the nearest known
// name, one whose feature is not in this build is refused by name, and all problems
// are told at once.
//
// Any secret may be given as env:NAME or file:PATH; paths are relative to the
// configuration file. A [Secret] never prints itself.
package config

import (
	"encoding/json"
	"log/slog"
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

// Secret is a value that must not be shown.
type Secret string

const hidden = "***"

// String hides the value.
func (s Secret) String() string {
	if s == "" || s == Embedded { // which is a word, not a secret
		return string(s)
	}
	return hidden
}

// LogValue hides the value in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON hides the value in JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML hides the value in YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// Config is a whole configuration, checked.
type Config struct {
	Data                 string         `koanf:"data" yaml:"data"`
	Listen               string         `koanf:"listen" yaml:"listen"`
	AdminKey             Secret         `koanf:"admin_key" yaml:"admin_key"`
	Store                string         `koanf:"store" yaml:"store"`
	Broker               string         `koanf:"broker" yaml:"broker"`
	ClickHouse           Secret         `koanf:"clickhouse" yaml:"clickhouse"` // a DSN holds a password
	ClickHouseListen     string         `koanf:"clickhouse_listen" yaml:"clickhouse_listen"`
	ClickHouseUser       string         `koanf:"clickhouse_user" yaml:"clickhouse_user"`
	ClickHousePassword   Secret         `koanf:"clickhouse_password" yaml:"clickhouse_password"`
	ClickHouseEngine     string         `koanf:"clickhouse_engine" yaml:"clickhouse_engine"`
	ShutdownTimeout      time.Duration  `koanf:"shutdown_timeout" yaml:"shutdown_timeout"`
	AllowPrivateNetworks []netip.Prefix `koanf:"allow_private_networks" yaml:"allow_private_networks"`
	Durability           string         `koanf:"durability" yaml:"durability"`
	DedupWindow          time.Duration  `koanf:"dedup_window" yaml:"dedup_window"`
	CAFiles              []string       `koanf:"ca_files" yaml:"ca_files"`
	Retry                Retry          `koanf:"retry" yaml:"retry"`
	Networks             []Network      `koanf:"networks" yaml:"networks"`
}

// Retry says when what failed is tried again.
type Retry struct {
	Webhooks []time.Duration `koanf:"webhooks" yaml:"webhooks"`
	Push     RetryPush       `koanf:"push" yaml:"push"`
}

// RetryPush bounds the waits between tries of a push.
type RetryPush struct {
	Initial time.Duration `koanf:"initial" yaml:"initial"`
	Max     time.Duration `koanf:"max" yaml:"max"`
	Expire  time.Duration `koanf:"expire" yaml:"expire"`
}

// Network is a customer.
type Network struct {
	ID            chatbell.NetworkID              `koanf:"id" yaml:"id"`
	DefaultLocale string                          `koanf:"default_locale" yaml:"default_locale"`
	Delivery      chatbell.DeliveryMode           `koanf:"delivery" yaml:"delivery"`
	Keys          []Key                           `koanf:"keys" yaml:"keys"`
	APNs          []APNs                          `koanf:"apns" yaml:"apns"`
	FCM           []FCM                           `koanf:"fcm" yaml:"fcm"`
	Webhooks      []Webhook                       `koanf:"webhooks" yaml:"webhooks"`
	Templates     map[string]map[string]TextPatch `koanf:"templates" yaml:"templates"`
}

// Key is an API key of a network.
type Key struct {
	ID     string            `koanf:"id" yaml:"id"`
	Secret Secret            `koanf:"secret" yaml:"secret"`
	Scope  chatbell.KeyScope `koanf:"scope" yaml:"scope"`
}

// APNs is a credential for Apple's push service.
type APNs struct {
	BundleID string `koanf:"bundle_id" yaml:"bundle_id"`
	Endpoint string `koanf:"endpoint" yaml:"endpoint"`
	KeyFile  string `koanf:"key_file" yaml:"key_file"`
	KeyID    string `koanf:"key_id" yaml:"key_id"`
	TeamID   string `koanf:"team_id" yaml:"team_id"`
	CAFile   string `koanf:"ca_file" yaml:"ca_file"`
}

// FCM is a credential for Google's push service.
type FCM struct {
	App             string `koanf:"app" yaml:"app"`
	CredentialsFile string `koanf:"credentials_file" yaml:"credentials_file"`
	Endpoint        string `koanf:"endpoint" yaml:"endpoint"`
	CAFile          string `koanf:"ca_file" yaml:"ca_file"`
}

// Webhook is a customer's endpoint.
type Webhook struct {
	ID        chatbell.EndpointID `koanf:"id" yaml:"id"`
	URL       string              `koanf:"url" yaml:"url"`
	Secret    Secret              `koanf:"secret" yaml:"secret"`
	Events    []string            `koanf:"events" yaml:"events"`
	Signature []string            `koanf:"signature" yaml:"signature"`
}

// TextPatch is a network's own text of a template in one language.
type TextPatch struct {
	Title string `koanf:"title" yaml:"title"`
	Body  string `koanf:"body" yaml:"body"`
}

// defaults is the configuration of a start without any.
func defaults() *Config {
	r := deliver.DefaultRetry()
	return &Config{
		Data: "./data", Listen: "127.0.0.1:8080", Store: Embedded, Broker: Embedded, ClickHouse: Embedded,
		ClickHouseListen: "127.0.0.1:8123", ClickHouseUser: "analyst", ShutdownTimeout: 30 * time.Second,
		Durability: "page-cache", DedupWindow: 10 * time.Minute,
		Retry: Retry{Webhooks: r.Webhooks, Push: RetryPush{Initial: r.PushInitial, Max: r.PushMax, Expire: r.PushExpire}},
	}
}

// EmbeddedClickHouse reports whether the engine runs below this process.
func (c *Config) EmbeddedClickHouse() bool { return c.ClickHouse == Embedded }

// BrokerURLs are the external broker's addresses; none means the embedded one.
func (c *Config) BrokerURLs() []string {
	if c.Broker == Embedded {
		return nil
	}
	return strings.Split(c.Broker, ",")
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
	for i, w := range n.Webhooks {
		out[i] = chatbell.Endpoint{ID: w.ID, URL: w.URL, Secret: string(w.Secret), Events: w.Events, Signatures: w.Signature}
	}
	return out
}

// Overrides are the network's own texts in the catalogue's words.
func (n *Network) Overrides() map[string]map[string]templates.Override {
	out := make(map[string]map[string]templates.Override, len(n.Templates))
	for name, locales := range n.Templates {
		out[name] = make(map[string]templates.Override, len(locales))
		for locale, t := range locales {
			out[name][locale] = templates.Override(t)
		}
	}
	return out
}
