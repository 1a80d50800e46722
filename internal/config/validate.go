package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"

	"chatbell"
	"chatbell/pipeline/webhooks"
)

var idPattern = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

const idRule = "must be 1 to 64 characters of a-z, 0-9, underscore and hyphen"

// check reports what is wrong with the values and how they fit together.
func (c *Config) check(p *problems) {
	c.checkAddresses(p)
	c.checkParts(p)
	c.checkTimes(p)
	for i, f := range c.CAFiles {
		checkFile(p, fmt.Sprintf("ca_files[%d]", i), f)
	}
	ids, keys, secrets := seen{}, seen{}, seen{}
	for i := range c.Networks {
		path := fmt.Sprintf("networks[%d]", i)
		n := &c.Networks[i]
		n.setDefaults()
		ids.once(p, path+".id", string(n.ID), "networks")
		n.check(p, path, c.AllowPrivateNetworks, keys, secrets)
	}
}

// seen finds names that are given twice.
type seen map[string]string

func (s seen) once(p *problems, path, name, among string) {
	if first, ok := s[name]; ok {
		p.add(path, "is the same as %s; it must differ among %s", first, among)
		return
	}
	s[name] = path
}

func (c *Config) checkAddresses(p *problems) {
	if c.Data == "" {
		p.add("data", "must name a folder")
	}
	checkAddress(p, "listen", c.Listen)
	if c.EmbeddedClickHouse() {
		checkAddress(p, "clickhouse_listen", c.ClickHouseListen)
		if c.Listen == c.ClickHouseListen && !strings.HasSuffix(c.Listen, ":0") {
			p.add("clickhouse_listen", "is the same as listen; each needs its own")
		}
	}
}

func checkAddress(p *problems, path, addr string) {
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
		p.add(path, "must be host:port, for example 127.0.0.1:8080, not %q", addr)
	}
}

func (c *Config) checkParts(p *problems) {
	if c.Store != Embedded {
		p.add("store", "must be %q; PostgreSQL is not in this build", Embedded)
	}
	if c.Broker != Embedded {
		for _, u := range c.BrokerURLs() {
			if !strings.HasPrefix(u, "nats://") && !strings.HasPrefix(u, "tls://") {
				p.add("broker", "must be %q or addresses like nats://host:4222 with commas in between", Embedded)
				break
			}
		}
	}
	if !c.EmbeddedClickHouse() {
		u, err := url.Parse(string(c.ClickHouse))
		if err != nil || u.Host == "" || u.Scheme != "clickhouse" && u.Scheme != "http" && u.Scheme != "https" {
			p.add("clickhouse", "must be %q, clickhouse://user:password@host:9000/database or http://…", Embedded)
		}
	}
	if c.Durability != "page-cache" {
		p.add("durability", "must be page-cache; fsync is not in this build")
	}
	if c.ClickHouseUser == "" {
		p.add("clickhouse_user", "must not be empty")
	}
}

func (c *Config) checkTimes(p *problems) {
	positive := func(path string, ok bool) {
		if !ok {
			p.add(path, "must be longer than 0, for example 30s")
		}
	}
	positive("shutdown_timeout", c.ShutdownTimeout > 0)
	positive("dedup_window", c.DedupWindow > 0)
	positive("retry.push.initial", c.Retry.Push.Initial > 0)
	positive("retry.push.max", c.Retry.Push.Max > 0)
	positive("retry.push.expire", c.Retry.Push.Expire > 0)
	if c.Retry.Push.Max < c.Retry.Push.Initial {
		p.add("retry.push.max", "must not be shorter than retry.push.initial")
	}
	for i, d := range c.Retry.Webhooks {
		positive(fmt.Sprintf("retry.webhooks[%d]", i), d > 0)
	}
}

func checkFile(p *problems, path, file string) {
	if file == "" {
		p.add(path, "must name a file")
		return
	}
	if _, err := os.Stat(file); err != nil {
		p.add(path, "cannot be read: %v", err)
	}
}

func (n *Network) setDefaults() {
	if n.DefaultLocale == "" {
		n.DefaultLocale = "en"
	}
	if n.Delivery == "" {
		n.Delivery = chatbell.DeliverDirect
	}
	for i := range n.Keys {
		if n.Keys[i].Scope == "" {
			n.Keys[i].Scope = chatbell.ScopeServer
		}
	}
	for i := range n.APNs {
		if n.APNs[i].Endpoint == "" {
			n.APNs[i].Endpoint = "production"
		}
	}
	for i := range n.Webhooks {
		w := &n.Webhooks[i]
		if len(w.Events) == 0 {
			w.Events = []string{"*"}
		}
		if len(w.Signature) == 0 {
			w.Signature = []string{webhooks.SignatureStandard}
		}
	}
}

func (n *Network) check(p *problems, path string, private []netip.Prefix, keys, secrets seen) {
	if !idPattern.MatchString(string(n.ID)) {
		p.add(path+".id", idRule)
	}
	if _, err := language.Parse(n.DefaultLocale); err != nil {
		p.add(path+".default_locale", "must be a BCP 47 language tag, for example en or pt-BR")
	}
	switch n.Delivery {
	case chatbell.DeliverDirect, chatbell.DeliverWebhook, chatbell.DeliverBoth:
	default:
		p.add(path+".delivery", "must be direct, webhook or both, not %q", n.Delivery)
	}
	n.checkKeys(p, path, keys, secrets)
	n.checkCredentials(p, path)
	n.checkWebhooks(p, path, private)
}

// minSecret keeps guessable keys out: 16 characters of a random alphabet are enough.
const minSecret = 16

func (n *Network) checkKeys(p *problems, path string, keys, secrets seen) {
	for i, k := range n.Keys {
		at := fmt.Sprintf("%s.keys[%d]", path, i)
		if !idPattern.MatchString(k.ID) {
			p.add(at+".id", idRule)
		}
		scope := k.ID
		if k.Scope == chatbell.ScopeServer {
			scope = string(n.ID) + "/" + k.ID // a client key's id alone names its network in a token
		}
		keys.once(p, at+".id", scope, "keys")
		if k.Scope != chatbell.ScopeServer && k.Scope != chatbell.ScopeClient {
			p.add(at+".scope", "must be server or client, not %q", k.Scope)
		}
		if len(k.Secret) < minSecret {
			p.add(at+".secret", "must have at least %d characters", minSecret)
			continue
		}
		secrets.once(p, at+".secret", string(k.Secret), "all keys")
	}
}

func (n *Network) checkCredentials(p *problems, path string) {
	bundles, apps := seen{}, seen{}
	for i, a := range n.APNs {
		at := fmt.Sprintf("%s.apns[%d]", path, i)
		for _, f := range []struct{ key, value string }{{"bundle_id", a.BundleID}, {"key_id", a.KeyID}, {"team_id", a.TeamID}} {
			if f.value == "" {
				p.add(at+"."+f.key, "must not be empty")
			}
		}
		bundles.once(p, at+".bundle_id", a.BundleID, "the network's apns")
		if a.Endpoint != "production" && a.Endpoint != "sandbox" {
			checkURL(p, at+".endpoint", a.Endpoint, "production, sandbox or an https URL", "https")
		}
		checkFile(p, at+".key_file", a.KeyFile)
		checkCA(p, at, a.CAFile)
	}
	for i, f := range n.FCM {
		at := fmt.Sprintf("%s.fcm[%d]", path, i)
		if f.App == "" {
			p.add(at+".app", "must not be empty")
		}
		apps.once(p, at+".app", f.App, "the network's fcm")
		if f.Endpoint != "" {
			checkURL(p, at+".endpoint", f.Endpoint, "an http or https URL without /v1", "https", "http")
		}
		checkFile(p, at+".credentials_file", f.CredentialsFile)
		checkCA(p, at, f.CAFile)
	}
}

func checkCA(p *problems, at, file string) {
	if file != "" {
		checkFile(p, at+".ca_file", file)
	}
}

func checkURL(p *problems, path, raw, want string, schemes ...string) {
	u, err := url.Parse(raw)
	if err == nil && u.Host != "" {
		for _, s := range schemes {
			if u.Scheme == s {
				return
			}
		}
	}
	p.add(path, "must be %s, not %q", want, raw)
}

// maxWebhooks is how many endpoints a network may have, as at Amity.
const maxWebhooks = 10

func (n *Network) checkWebhooks(p *problems, path string, private []netip.Prefix) {
	if len(n.Webhooks) > maxWebhooks {
		p.add(path+".webhooks", "must be at most %d", maxWebhooks)
	}
	if len(n.Webhooks) == 0 && n.Delivery != chatbell.DeliverDirect {
		p.add(path+".webhooks", "must not be empty when delivery is %s", n.Delivery)
	}
	ids := seen{}
	for i, w := range n.Webhooks {
		at := fmt.Sprintf("%s.webhooks[%d]", path, i)
		if !idPattern.MatchString(string(w.ID)) {
			p.add(at+".id", idRule)
		}
		ids.once(p, at+".id", string(w.ID), "the network's webhooks")
		if err := webhooks.CheckURL(w.URL, private); err != nil {
			p.add(at+".url", "%v", err)
		}
		if err := webhooks.CheckSecret(string(w.Secret)); err != nil {
			p.add(at+".secret", "%v", err)
		}
		for j, s := range w.Signature {
			if s != webhooks.SignatureStandard && s != webhooks.SignatureAmity {
				p.add(fmt.Sprintf("%s.signature[%d]", at, j), "must be standard or amity, not %q", s)
			}
		}
	}
}

// Redacted is the whole configuration as YAML, with every secret hidden.
func (c *Config) Redacted() (string, error) {
	out, err := yaml.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("print configuration: %w", err)
	}
	return string(out), nil
}
