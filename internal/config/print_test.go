package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatbell/internal/config"
)

// secret is in every secret of the good files.
var secretWords = []string{"top-secret", "dG9wLXNl", "secret-in-the-dsn", "from-a-file", "any text of 16 c", "hunter2"}

func showsNoSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, word := range secretWords {
		if strings.Contains(text, word) {
			t.Errorf("%s shows %q:\n%s", what, word, text)
		}
	}
}

// What is printed of each good file is YAML that can be read again, to the same, from
// another folder as well, and no secret is in it.
func TestRoundTrip(t *testing.T) {
	for _, file := range files(t, "testdata/good/*.yaml") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text := read(t, file)
			// What the file holds itself is printed as ***: that is another test.
			text = strings.ReplaceAll(text, "secret: any text of 16 c", "secret: file:secret.txt")
			text = strings.ReplaceAll(text, "clickhouse://chatbell:secret-in-the-dsn@ch:9000/chatbell", "env:DSN")
			env := []string{"DSN=clickhouse://chatbell:secret-in-the-dsn@ch:9000/chatbell"}
			first, err := load(t, text, env...)
			if err != nil {
				t.Fatal(err)
			}
			printed := redacted(t, first)
			again, err := load(t, printed, env...)
			if err != nil {
				t.Fatalf("%v\n%s", err, printed)
			}
			if text := redacted(t, again); text != printed {
				t.Errorf("printed again it is another:\n%s\nthen\n%s", printed, text)
			}
			if a, b := revealed(first), revealed(again); !slices.Equal(a, b) {
				t.Errorf("its secrets are %q, then %q", a, b)
			}
		})
	}
}

// revealed are all secrets of a configuration.
func revealed(c *config.Config) []string {
	all := []string{c.AdminKey.Reveal(), c.ClickHousePassword.Reveal(), c.ClickHouse.Reveal(), strings.Join(c.BrokerURLs(), ",")}
	for _, n := range c.Networks {
		for _, k := range n.Keys {
			all = append(all, k.Secret.Reveal())
		}
		for _, w := range n.Webhooks {
			all = append(all, w.Secret.Reveal(), w.URL.Reveal())
		}
		for _, a := range n.Amity {
			all = append(all, a.Secret.Reveal())
		}
	}
	return all
}

// redacted is the configuration as it is printed, in each way.
func redacted(t *testing.T, c *config.Config) string {
	t.Helper()
	text, err := c.Redacted()
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := c.RedactedJSON()
	if err != nil {
		t.Fatal(err)
	}
	showsNoSecret(t, "the YAML", text)
	showsNoSecret(t, "the JSON", string(asJSON))
	return text
}

// However a configuration is printed, encoded or logged, what is secret is replaced, so
// that one sees that it was.
func TestRedacted(t *testing.T) {
	text := read(t, "testdata", "good", "whole.yaml") + `
  - id: initech
    keys: [{id: a, secret: hunter2-hunter2-hunter2}]
    webhooks:
      - {id: main, url: "https://hunter2:hunter2@hooks.example:8443/v1/hooks/initech/hunter2?token=hunter2#hunter2", secret: whsec_dG9wLXNlY3JldC1ob29rLXNlY3JldC0xMjM0}
`
	c, err := load(t, strings.Replace(text, "nats://a:4222", "nats://hunter2:hunter2@a:4222", 1), "CHATBELL_CLICKHOUSE_PASSWORD=hunter2-hunter2")
	if err != nil {
		t.Fatal(err)
	}
	printed := redacted(t, c)
	for _, want := range []string{
		"admin_key: env:ADMIN\n", "secret: env:PHONES\n", "url: env:HOOK_URL\n", "secret: file:/", "/secret.txt\n",
		"clickhouse_password: env:CHATBELL_CLICKHOUSE_PASSWORD\n", // where the environment gave it
		"broker: nats://***@a:4222,tls://b:4222\n",
		"clickhouse: clickhouse://***@ch:9000/chatbell\n",
		"url: https://hooks.acme.example/chatbell\n",
		"url: https://***@hooks.example:8443/v1/hooks/initech/***?***\n",
		"secret: '***'\n", "com.acme.chat", "dedup_window: 5m\n", "- 36h\n",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("no %q in\n%s", want, printed)
		}
	}
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "config", c, "admin_key", c.AdminKey, "broker", c.Broker)
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(asJSON)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&out, verb, *c)
		fmt.Fprintf(&out, verb, c.Networks)
		fmt.Fprintf(&out, verb, c.AdminKey)
		fmt.Fprintf(&out, verb, &c.ClickHouse)
		fmt.Fprint(&out, fmt.Errorf(verb, c.Broker))
	}
	showsNoSecret(t, "fmt, slog or json", out.String())
	// Read again it is refused, key by key, rather than that *** becomes a password.
	_, err = load(t, printed, "CHATBELL_CLICKHOUSE_PASSWORD=hunter2-hunter2")
	all, ok := config.AsError(err)
	if !ok || len(all.Problems) != 6 || !strings.Contains(err.Error(), "networks[2].keys[0].secret: holds ***") {
		t.Errorf("got %v", err)
	}
}

func TestRedactedURLs(t *testing.T) {
	for given, want := range map[string]string{
		"nats://a:4222":         "nats://a:4222",
		"nats://hunter2@a:4222": "nats://***@a:4222",
		"nats://u:hunter2@a:4222,nats://u:hunter2@b:4222": "nats://***@a:4222,nats://***@b:4222",
		"tls://a:4222, tls://b:4222":                      "tls://a:4222,tls://b:4222",
	} {
		c, err := config.Load(config.Options{Env: []string{"BROKER=" + given}, Flags: map[string]string{"broker": given}})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Broker.String(); got != want {
			t.Errorf("%s is shown as %s, want %s", given, got, want)
		}
	}
	for given, want := range map[string]string{
		"https://x.example":                        "https://x.example",
		"https://x.example/":                       "https://x.example/",
		"https://x.example/api/v2/hooks/acme/main": "https://x.example/api/v2/hooks/acme/main",
		"https://x.example/services/T00/B00/QQQ":   "https://x.example/services/***",
		"https://x.example/hunter2,https://y":      "https://x.example/***,https://y",
		"https://x.example/%68unter2":              "https://x.example/***",
		"https://x.example/?":                      "https://x.example/?***",
		"https://x.example?hunter2":                "https://x.example?***",
		"https://x.example/v1#hunter2":             "https://x.example/v1?***",
	} {
		c, err := load(t, "networks: [{id: acme, webhooks: [{id: main, url: env:GIVEN, secret: env:HOOK}]}]", "GIVEN="+given)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Networks[0].Webhooks[0].URL.String(); got != "env:GIVEN" {
			t.Errorf("the reference is shown as %s", got)
		}
		if c, err = load(t, fmt.Sprintf("networks: [{id: acme, webhooks: [{id: main, url: %q, secret: env:HOOK}]}]", given)); err != nil {
			t.Fatal(err)
		}
		if got := c.Networks[0].Webhooks[0].URL.String(); got != want {
			t.Errorf("%s is shown as %s, want %s", given, got, want)
		}
	}
}

// FuzzLoad: whatever the file holds, it is taken or refused without showing a secret;
// what was taken can be printed, and read again unless something in it was hidden.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		for _, file := range files(f, pattern) {
			f.Add([]byte(read(f, file)))
		}
	}
	for _, seed := range []string{
		"a: &x [*x]", "a: &x {<<: *x}", "networks: &x [*x]", "networks:\n- templates: {a: {b: c}}", "? [a]: b", "1: 2", "<<: 3", "retry: {<<: [{push: {max: 1m}}, 4]}",
		"data: !!binary aGk=", "listen: |\n  a\n  b", "shutdown_timeout: 1e9s", "broker_storage: 1e300GiB", "dedup_window: 99999d99999h", "%YAML 1.1\n---\nlisten: x",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		file := filepath.Join(dir, "chatbell.yaml")
		for name, content := range map[string][]byte{"chatbell.yaml": data, "key.p8": nil, "fcm.json": nil, "secret.txt": []byte("from-a-file-0123456789")} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := config.Load(config.Options{File: file, Env: variables})
		if err != nil {
			for _, word := range []string{"top-secret", "dG9wLXNl", "from-a-file"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("the error shows %q: %v", word, err)
				}
			}
			if all, ok := config.AsError(err); !ok || len(all.Problems) == 0 || all.Problems[0].Detail == "" {
				t.Errorf("the error is %v", err)
			}
			return
		}
		text, err := c.Redacted()
		if err != nil {
			t.Fatalf("what was taken cannot be printed: %v", err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := config.Load(config.Options{File: file, Env: variables})
		if err != nil {
			if !strings.Contains(text, "***") {
				t.Fatalf("what was printed is refused: %v\n%s", err, text)
			}
			return
		}
		if second, err := again.Redacted(); err != nil || second != text {
			t.Errorf("printed again it is another, %v:\n%s\nthen\n%s", err, text, second)
		}
	})
}
