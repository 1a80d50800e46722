package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"chatbell/internal/config"
)

var update = flag.Bool("update", false, "write docs/ anew")

// The documents are what the code says.
func TestDocuments(t *testing.T) {
	for name, want := range map[string]string{"chatbell.example.yaml": config.Example(), "configuration.md": config.Reference()} {
		path := filepath.Join("..", "..", "docs", name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if read(t, path) != want {
			t.Errorf("docs/%s is not what the code says; run: go test ./internal/config -run TestDocuments -update", name)
		}
	}
}

// The example sets nothing: it loads, and says the same as no file.
func TestExampleIsTheDefaults(t *testing.T) {
	fromFile, err := load(t, config.Example())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := config.Load(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(fromFile, plain) {
		t.Errorf("the example says\n%+v\nthe defaults are\n%+v", fromFile, plain)
	}
}

// Without its comment signs the example is a good configuration too, in which every key
// has a value.
func TestExampleUncommented(t *testing.T) {
	text := uncommented(config.Example())
	c, err := load(t, text, "CHATBELL_ADMIN_KEY=top-secret-admin-key", "CHATBELL_CLICKHOUSE_PASSWORD=top-secret-password", "ACME_AMITY=top-secret-amity")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	n := c.Networks[0]
	if c.AdminKey.Reveal() == "" || n.ID != "acme" || len(n.Keys) != 1 || len(n.Credentials()) != 2 || len(n.Webhooks) != 1 || len(n.Amity) != 1 || len(n.Templates) != 1 {
		t.Errorf("got %+v", c)
	}
	for key := range config.Keys() {
		if name := key[strings.LastIndex(key, ".")+1:]; !strings.Contains(text, name+": ") {
			t.Errorf("the example has no key %s", key)
		}
	}
}

func uncommented(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.TrimPrefix(line, "#"))
	}
	return out.String()
}

// credential finds one of a network's, by its key.
func credential(t *testing.T, n *config.Network, key string) config.Credential {
	t.Helper()
	for _, c := range n.Credentials() {
		if c.Key == key {
			return c
		}
	}
	t.Fatalf("the network has no %s", key)
	return config.Credential{}
}

// Every key of the structs is described, every described key exists, and every quantity
// has bounds with a reason.
func TestEveryKeyIsDescribed(t *testing.T) {
	known := config.Keys()
	described := config.Described()
	for key, typ := range known {
		d, ok := described[key]
		if !ok || d.Doc == "" {
			t.Errorf("settings.go does not describe %s", key)
		}
		quantity := typ == reflect.TypeFor[time.Duration]() || typ == reflect.TypeFor[config.Size]() || typ == reflect.TypeFor[[]time.Duration]() ||
			typ == reflect.TypeFor[config.Secret]() && key != "networks.webhooks.secret" // whose bounds are those of Standard Webhooks
		if quantity && (d.Bounds == "" || d.Why == "") {
			t.Errorf("%s has no bounds, or no reason for them", key)
		}
		if typ.Kind() == reflect.Slice && d.Count == "" {
			t.Errorf("the list %s has no bound", key)
		}
	}
	for key := range described {
		found := false
		for k := range known {
			found = found || k == key || strings.HasPrefix(k, key+".")
		}
		if !found {
			t.Errorf("settings.go describes %s, which is no key", key)
		}
	}
}

// The defaults of keys below lists, as the table says them, are those that a network
// gets.
func TestElementDefaults(t *testing.T) {
	minimal := `networks: [{id: acme, keys: [{id: a, secret: 0123456789abcdef}], apns: [{bundle_id: a, key_file: key.p8, key_id: K, team_id: T}],
  fcm: [{app: a, credentials_file: fcm.json}], webhooks: [{id: main, url: "https://x.example/", secret: env:HOOK}]}]`
	c, err := load(t, minimal)
	if err != nil {
		t.Fatal(err)
	}
	n := c.Networks[0]
	for key, got := range map[string]string{
		"networks.default_locale": n.DefaultLocale, "networks.delivery": string(n.Delivery), "networks.keys.scope": string(n.Keys[0].Scope),
		"networks.apns.endpoint": credential(t, &n, "apns[0]").Value("endpoint"), "networks.webhooks.events": `["` + strings.Join(n.Webhooks[0].Events, ",") + `"]`,
		"networks.webhooks.signature": "[" + strings.Join(n.Webhooks[0].Signature, ",") + "]",
	} {
		if want := config.Described()[key].Default; got != want || want == "" {
			t.Errorf("%s is %s, the table says %q", key, got, want)
		}
	}
	for key, d := range config.Described() {
		if d.Default != "" && !strings.HasPrefix(key, "networks.") {
			t.Errorf("%s has its default twice", key)
		}
	}
}
