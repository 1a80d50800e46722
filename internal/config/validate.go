package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"chatbell/internal/safedial"
)

// check reports what is wrong with the values and how they fit together. What the
// bounds of a key say has been checked when it was read.
func (c *Config) check(problems *Problems) {
	c.checkAddresses(problems)
	c.checkParts(problems)
	if !problems.Has("retry.push.initial") && c.Retry.Push.Max < c.Retry.Push.Initial {
		problems.Add("retry.push.max", "must not be shorter than retry.push.initial, "+formatDuration(c.Retry.Push.Initial), "")
	}
	if !problems.Has("retry.push.initial") && c.Retry.Push.Expire < c.Retry.Push.Initial {
		problems.Add("retry.push.expire", "must not be shorter than retry.push.initial, "+formatDuration(c.Retry.Push.Initial), "")
	}
	for i, file := range c.CAFiles {
		readable(problems, fmt.Sprintf("ca_files[%d]", i), file)
	}
	readable(problems, "clickhouse_engine", c.ClickHouseEngine)
	names := &names{networks: seen{}, clientKeys: seen{}, secrets: seen{}}
	names.secret(problems, "admin_key", c.AdminKey)
	names.secret(problems, "clickhouse_password", c.ClickHousePassword)
	policy, err := safedial.New(c.AllowPrivateNetworks)
	if err != nil {
		problems.Add("allow_private_networks", err.Error(), "")
		return
	}
	for i := range c.Networks {
		key := fmt.Sprintf("networks[%d]", i)
		network := &c.Networks[i]
		network.setDefaults()
		if !problems.Given(key + ".quota") {
			network.Quota = c.Quota
		}
		network.check(problems, key, policy, names)
	}
}

// seen finds what is given twice: by its name, the key where it was given first.
type seen map[string]string

func (s seen) once(p *Problems, key, name, among string) {
	if name == "" || p.Has(key) {
		return
	}
	if first, ok := s[name]; ok {
		p.Add(key, "is the same as "+first, "it must differ among "+among)
		return
	}
	s[name] = key
}

// names are what must differ in the whole configuration.
type names struct{ networks, clientKeys, secrets seen }

// headerSafe is what passes through an HTTP header unharmed.
var headerSafe = regexp.MustCompile(`^[!-~]*$`)

// secret checks one of those that open a door: who has one must not have another by it.
func (n *names) secret(p *Problems, key string, s Secret) {
	if key != "clickhouse_password" && !headerSafe.MatchString(s.Reveal()) {
		p.Add(key, "must be letters, digits and signs of ASCII without spaces", "it is sent in an HTTP header")
	}
	n.secrets.once(p, key, s.Reveal(), "all keys, the admin key and the password")
}

func (c *Config) checkAddresses(problems *Problems) {
	if c.Data == "" {
		problems.Add("data", "must name a folder", "write it like ./data")
	}
	listen, ok := checkAddress(problems, "listen", c.Listen)
	c.checkCentrifugo(problems)
	if !c.EmbeddedClickHouse() {
		return
	}
	clickhouse, alsoOK := checkAddress(problems, "clickhouse_listen", c.ClickHouseListen)
	if ok && alsoOK && listen.overlaps(clickhouse) {
		problems.Add("clickhouse_listen", "is the same as listen", "each needs a port of its own")
	}
}

// checkCentrifugo checks the addresses of that surface, if it has any.
func (c *Config) checkCentrifugo(problems *Problems) {
	taken := map[string]string{"listen": c.Listen}
	for _, one := range []struct{ key, text string }{{"centrifugo.listen", c.Centrifugo.Listen}, {"centrifugo.grpc_listen", c.Centrifugo.GRPCListen}} {
		if one.text == "" {
			continue
		}
		here, ok := checkAddress(problems, one.key, one.text)
		for _, other := range []string{"listen", "centrifugo.listen"} {
			if text := taken[other]; ok && text != "" && here.overlaps(addressOf(text)) {
				problems.Add(one.key, "is the same as "+other, "each needs a port of its own")
			}
		}
		taken[one.key] = one.text
	}
}

// addressOf reads an address; what is none overlaps with nothing.
func addressOf(text string) address {
	found, _ := checkAddress(&Problems{}, "", text)
	return found
}

// address is host and port to listen on.
type address struct {
	host string
	port uint16
}

func checkAddress(p *Problems, key, text string) (address, bool) {
	host, port, err := net.SplitHostPort(text)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil {
		p.Add(key, "must be host:port", "write it like 127.0.0.1:8080")
		return address{}, false
	}
	return address{host, uint16(n)}, true
}

// overlaps reports whether both cannot be listened on.
func (a address) overlaps(b address) bool {
	return a.port != 0 && a.port == b.port && (a.host == b.host || a.everywhere() || b.everywhere())
}

func (a address) everywhere() bool {
	ip, err := netip.ParseAddr(a.host)
	return a.host == "" || err == nil && ip.IsUnspecified()
}

func (c *Config) checkParts(problems *Problems) {
	if c.Store.Reveal() != Embedded {
		problems.Add("store", "must be "+Embedded, "PostgreSQL is not in this build")
	}
	for _, address := range c.BrokerURLs() {
		if !isURL(address, "nats", "tls") {
			problems.Add("broker", "must be "+Embedded+", or addresses with commas in between", "write them like nats://host:4222,nats://host2:4222")
		}
	}
	if c.BrokerReplicas > 1 && len(c.BrokerURLs()) == 0 {
		problems.Add("broker_replicas", "must be 0 or 1, because broker is "+Embedded, "remove the key, or name a cluster in broker")
	}
	if !c.EmbeddedClickHouse() && !isURL(c.ClickHouse.Reveal(), "clickhouse", "http", "https") {
		problems.Add("clickhouse", "must be "+Embedded+", or an address", "write it like clickhouse://user:password@host:9000/database or http://host:8123/database")
	}
	if parsed, err := url.Parse(c.ClickHouse.Reveal()); err == nil && databaseName.MatchString(strings.TrimPrefix(parsed.Path, "/")) {
		c.ClickHouse.plain = []string{strings.TrimPrefix(parsed.Path, "/")}
	}
	if !userName.MatchString(c.ClickHouseUser) {
		problems.Add("clickhouse_user", "must be 1 to 64 letters, digits, underscores and hyphens", "write it like analyst")
	}
}

var (
	databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	userName     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// isURL reports whether a text is an address with one of the schemes. The text is not
// quoted anywhere: it can hold a password.
func isURL(text string, schemes ...string) bool {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" {
		return false
	}
	return slices.Contains(schemes, parsed.Scheme)
}

// warn notes what is odd, but no mistake.
func (c *Config) warn(problems *Problems) {
	warn := func(key, detail, mend string) {
		place := problems.place(key)
		place.value = ""
		c.Warnings = append(c.Warnings, problemAt(place, key, detail, mend))
	}
	if !c.EmbeddedClickHouse() {
		for _, key := range []string{"clickhouse_listen", "clickhouse_user", "clickhouse_password", "clickhouse_engine"} {
			if problems.Given(key) {
				warn(key, "has no effect, because clickhouse is not "+Embedded, "remove the key")
			}
		}
	}
	if c.Broker.Reveal() != Embedded && c.Durability == "page-cache" && problems.Given("durability") {
		warn("durability", "has no effect, because broker is not "+Embedded, "remove the key; the broker decides")
	}
	for i := range c.Networks {
		for j, one := range c.Networks[i].Keys {
			if one.Scope == "client" && len(one.Secret.Reveal()) < hmacKey {
				warn(fmt.Sprintf("networks[%d].keys[%d].secret", i, j), fmt.Sprintf("is shorter than the %d characters that RFC 7518 asks for", hmacKey),
					"some libraries refuse to sign tokens with it; take a longer one")
			}
		}
	}
	c.warnOpenFile(problems, warn)
}

// hmacKey is how long a key of HS256 has to be (RFC 7518, 3.2).
const hmacKey = 32

// warnOpenFile warns when the file holds a secret and others can read it.
func (c *Config) warnOpenFile(problems *Problems, warn func(key, detail, mend string)) {
	file := problems.origins[""].file
	if file == "" {
		return
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o004 == 0 {
		return
	}
	for key, secret := range c.secrets() {
		if secret.value != "" && secret.ref == "" && problems.origins[key].file != "" {
			warn(key, "is a secret in a file that every user of this machine can read", "run chmod 600 "+file+", or give it as env:NAME or file:PATH")
			return // once is enough
		}
	}
}

// secrets are all secrets by key, in the order of the file.
func (c *Config) secrets() func(yield func(string, hidden) bool) {
	return func(yield func(string, hidden) bool) {
		if !yield("admin_key", c.AdminKey.hidden) || !yield("clickhouse_password", c.ClickHousePassword.hidden) {
			return
		}
		for i := range c.Networks {
			for key, secret := range c.Networks[i].secrets() {
				if !yield(fmt.Sprintf("networks[%d].%s", i, key), secret) {
					return
				}
			}
		}
	}
}

// secrets are a network's secrets by key, in the order of the file.
func (n *Network) secrets() func(yield func(string, hidden) bool) {
	return func(yield func(string, hidden) bool) {
		for i := range n.Keys {
			if !yield(fmt.Sprintf("keys[%d].secret", i), n.Keys[i].Secret.hidden) {
				return
			}
		}
		for _, credential := range n.Credentials() {
			for name, secret := range credential.secrets() {
				if !yield(credential.Key+"."+name, secret.hidden) {
					return
				}
			}
		}
		for i := range n.Webhooks {
			if !yield(fmt.Sprintf("webhooks[%d].secret", i), n.Webhooks[i].Secret.hidden) {
				return
			}
		}
	}
}
