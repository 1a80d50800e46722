package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/config"
)

// write puts files into a folder of the test and returns the path of the first.
func write(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string]string{"chatbell.yaml": text, "key.p8": "a key", "fcm.json": "{}", "secret.txt": "from-a-file-0123456789\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "chatbell.yaml")
}

const whole = `
data: /var/lib/chatbell
listen: 0.0.0.0:8080
admin_key: env:ADMIN
store: embedded
broker: nats://a:4222,nats://b:4222
clickhouse: clickhouse://chatbell:secret-in-the-dsn@ch:9000/chatbell
shutdown_timeout: 45s
allow_private_networks: [10.0.0.0/8, 127.0.0.1/32]
dedup_window: 5m
retry:
  webhooks: [1s, 1m]
  push: {initial: 1s, max: 30s, expire: 2h}
centrifugo: {listen: ""}
networks:
  - id: acme
    default_locale: pt-BR
    delivery: both
    keys:
      - {id: backend, secret: file:secret.txt, scope: server}
      - {id: phones, secret: env:PHONES, scope: client}
    apns:
      - {bundle_id: com.acme.chat, endpoint: sandbox, key_file: key.p8, key_id: K1, team_id: T1}
    fcm:
      - {app: com.acme.chat, credentials_file: fcm.json}
    webhooks:
      - {id: main, url: https://hooks.acme.example/chatbell, secret: env:HOOK, events: ["*"], signature: [standard, amity]}
    prehook: {url: ""}
    rules: []
    templates: {message.text: {en: {title: "{{.Actor}}", body: "{{.Text}}"}}}
  - {id: globex}
`

func TestWholeFile(t *testing.T) {
	file := write(t, whole)
	c, err := config.Load(config.Options{File: file, Env: []string{
		"ADMIN=the-admin-key-0123456789", "PHONES=the-phones-key-0123456789", "HOOK=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "HOME=/root",
	}})
	if err != nil {
		t.Fatal(err)
	}
	n := &c.Networks[0]
	for _, x := range []struct{ what, got, want any }{
		{"data", c.Data, "/var/lib/chatbell"},
		{"admin_key", string(c.AdminKey), "the-admin-key-0123456789"},
		{"broker", c.BrokerURLs(), []string{"nats://a:4222", "nats://b:4222"}},
		{"embedded ClickHouse", c.EmbeddedClickHouse(), false},
		{"shutdown_timeout", c.ShutdownTimeout, 45 * time.Second},
		{"private networks", c.AllowPrivateNetworks[0].String(), "10.0.0.0/8"},
		{"retry.webhooks", c.Retry.Webhooks, []time.Duration{time.Second, time.Minute}},
		{"retry.push.expire", c.PipelineRetry().PushExpire, 2 * time.Hour},
		{"delivery", n.Delivery, chatbell.DeliverBoth},
		{"secret of a file", string(n.Keys[0].Secret), "from-a-file-0123456789"},
		{"client key", n.Keys[1], config.Key{ID: "phones", Secret: "the-phones-key-0123456789", Scope: chatbell.ScopeClient}},
		{"key_file", n.APNs[0].KeyFile, filepath.Join(filepath.Dir(file), "key.p8")},
		{"template", n.Overrides()["message.text"]["en"].Title, "{{.Actor}}"},
		{"second network's locale", c.Networks[1].DefaultLocale, "en"},
		{"second network's delivery", c.Networks[1].Delivery, chatbell.DeliverDirect},
	} {
		if !reflect.DeepEqual(x.got, x.want) {
			t.Errorf("%s is %v, want %v", x.what, x.got, x.want)
		}
	}
}

// A start without anything has everything.
func TestDefaults(t *testing.T) {
	c, err := config.Load(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || c.ClickHouseListen != "127.0.0.1:8123" || !c.EmbeddedClickHouse() || c.BrokerURLs() != nil || c.DedupWindow != 10*time.Minute {
		t.Errorf("got %+v", c)
	}
}

// Later wins: defaults, file, environment, flags.
func TestOrderOfSources(t *testing.T) {
	file := write(t, "listen: 127.0.0.1:1\nclickhouse_listen: 127.0.0.1:2\ndedup_window: 1m\n")
	c, err := config.Load(config.Options{
		File: file, Flags: map[string]any{"listen": "127.0.0.1:3"},
		Env: []string{"CHATBELL_LISTEN=127.0.0.1:4", "CHATBELL_CLICKHOUSE_LISTEN=127.0.0.1:5", "CHATBELL_RETRY__PUSH__INITIAL=3s",
			"CHATBELL_RETRY__WEBHOOKS=[5s, 6s]", "CHATBELL_ALLOW_PRIVATE_NETWORKS=10.0.0.0/8, 127.0.0.0/8", "CHATBELL_SERVER=http://elsewhere", "CHATBELL_KEY=not-ours"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:3" || c.ClickHouseListen != "127.0.0.1:5" || c.DedupWindow != time.Minute || c.Retry.Push.Initial != 3*time.Second || len(c.Retry.Webhooks) != 2 || len(c.AllowPrivateNetworks) != 2 {
		t.Errorf("got %+v", c)
	}
}

const someKey = "keys: [{id: k, secret: 0123456789abcdef}]"

// Every refusal names the key and what would be right; all come at once.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		env  []string
		want []string
	}{
		"unknown key":                {yaml: "lisen: x", want: []string{`lisen: unknown key; did you mean "listen"?`}},
		"unknown, nothing near":      {yaml: "zzzzzzzzzz: 1", want: []string{"zzzzzzzzzz: unknown key"}},
		"unknown below":              {yaml: "networks: [{id: a, apns: [{bundel_id: x}]}]", want: []string{`networks[0].apns[0].bundel_id: unknown key; did you mean "bundle_id"?`}},
		"unknown in the environment": {env: []string{"CHATBELL_LISTN=x"}, want: []string{`CHATBELL_LISTN`, `did you mean "listen"?`}},
		"not in this build":          {yaml: "xmtp: {listen: 127.0.0.1:1}", want: []string{"xmtp: the XMTP surface is not in this build"}},
		"rules":                      {yaml: "networks: [{id: a, rules: [{id: x}]}]", want: []string{"networks[0].rules: a network's own rules is not in this build"}},
		"postgres":                   {yaml: "store: postgres://x", want: []string{"store:", "PostgreSQL is not in this build"}},
		"fsync":                      {yaml: "durability: fsync", want: []string{"durability:", "fsync is not in this build"}},
		"address":                    {yaml: "listen: localhost", want: []string{"listen: must be host:port"}},
		"same address":               {yaml: "listen: 127.0.0.1:1\nclickhouse_listen: 127.0.0.1:1", want: []string{"clickhouse_listen: is the same as listen"}},
		"duration":                   {yaml: "dedup_window: soon", want: []string{"dedup_window"}},
		"negative":                   {yaml: "shutdown_timeout: -1s", want: []string{"shutdown_timeout: must be longer than 0"}},
		"prefix":                     {yaml: "allow_private_networks: [10.0.0.0]", want: []string{"allow_private_networks"}},
		"broker":                     {yaml: "broker: kafka://x", want: []string{"broker: must be"}},
		"clickhouse":                 {yaml: "clickhouse: mysql://u:hunter2-the-password@x", want: []string{"clickhouse: must be"}},
		"network id":                 {yaml: "networks: [{id: Acme!}]", want: []string{"networks[0].id: must be 1 to 64 characters"}},
		"networks twice":             {yaml: "networks: [{id: a}, {id: a}]", want: []string{"networks[1].id: is the same as networks[0].id"}},
		"locale":                     {yaml: "networks: [{id: a, default_locale: klingon-language}]", want: []string{"networks[0].default_locale: must be a BCP 47"}},
		"delivery":                   {yaml: "networks: [{id: a, delivery: pigeon}]", want: []string{"networks[0].delivery: must be direct, webhook or both"}},
		"short secret":               {yaml: "networks: [{id: a, keys: [{id: k, secret: short}]}]", want: []string{"networks[0].keys[0].secret: must have at least 16"}},
		"one secret twice":           {yaml: "networks: [{id: a, " + someKey + "}, {id: b, " + someKey + "}]", want: []string{"networks[1].keys[0].secret: is the same as networks[0].keys[0].secret"}},
		"scope":                      {yaml: "networks: [{id: a, keys: [{id: k, secret: 0123456789abcdef, scope: root}]}]", want: []string{"scope: must be server or client"}},
		"secret not set":             {yaml: "admin_key: env:NOWHERE", want: []string{"env:NOWHERE", "is not set"}},
		"secret's file":              {yaml: "admin_key: file:nowhere", want: []string{"file:nowhere", "cannot be read"}},
		"apns":                       {yaml: "networks: [{id: a, apns: [{endpoint: ftp://x, key_file: nowhere}]}]", want: []string{"apns[0].bundle_id: must not be empty", "apns[0].key_id: must", "apns[0].team_id: must", "apns[0].endpoint: must be", "apns[0].key_file: cannot be read"}},
		"fcm":                        {yaml: "networks: [{id: a, fcm: [{}]}]", want: []string{"fcm[0].app: must not be empty", "fcm[0].credentials_file: must name a file"}},
		"webhook to ourselves":       {yaml: "networks: [{id: a, webhooks: [{id: m, url: 'https://127.0.0.1/', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}]}]", want: []string{"webhooks[0].url"}},
		"signature":                  {yaml: "networks: [{id: a, webhooks: [{id: m, url: 'https://x.example/', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, signature: [md5]}]}]", want: []string{"webhooks[0].signature"}},
		"both mode without webhook":  {yaml: "networks: [{id: a, delivery: webhook}]", want: []string{"networks[0]", "webhook"}},
		"several":                    {yaml: "listen: x\nstore: y\nnetworks: [{id: '?'}]", want: []string{"3 problems", "listen:", "store:", "networks[0].id:"}},
		"no YAML":                    {yaml: "a: [", want: []string{"read configuration"}},
		"a list":                     {yaml: "- a", want: []string{"read configuration"}},
		"text for a list":            {yaml: "networks: 7", want: []string{"networks"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(config.Options{File: write(t, c.yaml), Env: c.env})
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%v", want, err)
				}
			}
			for _, secret := range []string{"hunter2", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "0123456789abcdef"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	if _, err := config.Load(config.Options{File: filepath.Join(t.TempDir(), "nowhere.yaml")}); err == nil {
		t.Error("a file that does not exist was taken")
	}
}

// What is printed for people never has a secret in it.
func TestRedacted(t *testing.T) {
	c, err := config.Load(config.Options{File: write(t, whole), Env: []string{
		"ADMIN=top-secret-admin-key", "PHONES=top-secret-phones-key", "HOOK=whsec_dG9wLXNlY3JldC1ob29rLXNlY3JldC0xMjM0",
	}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Redacted()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"top-secret", "dG9wLXNl", "secret-in-the-dsn", "from-a-file"} {
		if strings.Contains(out, secret) {
			t.Errorf("%q is shown:\n%s", secret, out)
		}
	}
	plain, err := config.Load(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := plain.Redacted(); err != nil || !strings.Contains(out, "clickhouse: embedded") {
		t.Errorf("the plain word is hidden, %v:\n%s", err, out)
	}
	if !strings.Contains(out, "com.acme.chat") {
		t.Errorf("too much is hidden:\n%s", out)
	}
}

// FuzzLoad: whatever the file holds, it is taken or refused, and what was taken can be
// printed and is taken again.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{whole, "", "listen: :1", "networks: [{id: a, " + someKey + "}]", "a: &x [*x]", "retry: {push: 3}", "templates: {}", "networks:\n- templates: {a: {b: c}}", "? [a]: b", "1: 2", "listen: {a: b}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := write(t, string(data))
		c, err := config.Load(config.Options{File: file, Env: []string{"ADMIN=the-admin-key-0123456789", "PHONES=the-phones-key-0123456789", "HOOK=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}})
		if err != nil {
			if strings.Contains(err.Error(), "the-admin-key") || err.Error() == "" {
				t.Errorf("the error is %q", err)
			}
			return
		}
		if _, err := c.Redacted(); err != nil {
			t.Errorf("what was taken cannot be printed: %v", err)
		}
	})
}
