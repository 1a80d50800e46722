package config_test

import (
	"errors"
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
	for name, data := range map[string]string{
		"chatbell.yaml": text, "key.p8": "a key", "fcm.json": "{}", "secret.txt": "from-a-file-0123456789\n", "empty.txt": "\n",
		"AuthKey.p8": "a key", "internal-ca.pem": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "chatbell.yaml")
}

// variables are what the files of testdata take from the environment.
var variables = []string{
	"ADMIN=top-secret-admin-key", "PHONES=top-secret-phones-key", "HOOK=whsec_dG9wLXNlY3JldC1ob29rLXNlY3JldC0xMjM0", "EMPTY=", "HOME=/root",
	"HOOK_URL=https://top-secret@hooks.acme.example/top-secret", "ACME_KEY=top-secret-acme-key",
	"AMITY=top-secret-amity-hook", "AMITY_OLD=top-secret-amity-old-hook",
}

func load(t testing.TB, text string, env ...string) (*config.Config, error) {
	t.Helper()
	return config.Load(config.Options{File: write(t, text), Env: append(env, variables...)})
}

func read(t testing.TB, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return found
}

func TestWholeFile(t *testing.T) {
	c, err := load(t, read(t, "testdata", "good", "whole.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	n := &c.Networks[0]
	for _, x := range []struct{ what, got, want any }{
		{"data", c.Data, "/var/lib/chatbell"},
		{"broker", c.BrokerURLs(), []string{"nats://a:4222", "tls://b:4222"}},
		{"broker_storage", c.BrokerStorage, config.Size(3 << 29)},
		{"embedded ClickHouse", c.EmbeddedClickHouse(), false},
		{"clickhouse", c.ClickHouse.Reveal(), "clickhouse://chatbell:secret-in-the-dsn@ch:9000/chatbell"},
		{"shutdown_timeout", c.ShutdownTimeout, 45 * time.Second},
		{"private networks", c.AllowPrivateNetworks[0].String(), "10.0.0.0/8"},
		{"retry.webhooks", c.Retry.Webhooks, []time.Duration{time.Second, time.Minute, 24 * time.Hour, 36 * time.Hour}},
		{"retry.push.expire", c.PipelineRetry().PushExpire, 2 * time.Hour},
		{"delivery", n.Delivery, chatbell.DeliverBoth},
		{"secret of a file", n.Keys[0].Secret.Reveal(), "from-a-file-0123456789"},
		{"secret of a variable", n.Keys[1].Secret.Reveal(), "top-secret-phones-key"},
		{"client key", n.Keys[1].Scope, chatbell.ScopeClient},
		{"key_file", filepath.Base(credential(t, n, "apns[0]").Value("key_file")), "key.p8"},
		{"absolute key_file", filepath.IsAbs(credential(t, n, "apns[0]").Value("key_file")), true},
		{"key_id, as it is written", credential(t, n, "apns[0]").Value("key_id"), "1234567890"},
		{"team_id, which looks like a number", credential(t, n, "apns[0]").Value("team_id"), "123E456"},
		{"webhook's address", n.Endpoints()[1].URL, "https://top-secret@hooks.acme.example/top-secret"},
		{"template", n.Overrides()["message.text"]["en"].Title, "{{.Actor}}"},
		{"second network's locale, which is no boolean", c.Networks[1].DefaultLocale, "no"},
		{"second network's delivery", c.Networks[1].Delivery, chatbell.DeliverDirect},
	} {
		if !reflect.DeepEqual(x.got, x.want) {
			t.Errorf("%s is %v, want %v", x.what, x.got, x.want)
		}
	}
}

func TestAnchorsAndMerges(t *testing.T) {
	c, err := load(t, read(t, "testdata", "good", "anchors-and-merges.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	second := c.Networks[1]
	if second.ID != "globex" || second.DefaultLocale != "de" || len(second.Credentials()) != 2 || credential(t, &second, "apns[1]").App() != "com.acme.chat.beta" || credential(t, &second, "apns[1]").Value("key_id") != "K1" {
		t.Errorf("got %+v", second)
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
	c, err := config.Load(config.Options{
		File:  write(t, "listen: 127.0.0.1:1\nclickhouse_listen: 127.0.0.1:2\ndedup_window: 1m\nretry: {push: {max: 7m}}\n"),
		Flags: map[string]string{"listen": "127.0.0.1:3"},
		Env: []string{
			"CHATBELL_LISTEN=127.0.0.1:4", "CHATBELL_CLICKHOUSE_LISTEN=127.0.0.1:5", "CHATBELL_RETRY__PUSH__INITIAL=3s", "CHATBELL_DEDUP_WINDOW=",
			"CHATBELL_RETRY__WEBHOOKS=[5s, 6s]", "CHATBELL_ALLOW_PRIVATE_NETWORKS=10.0.0.0/8, 127.0.0.0/8", "CHATBELL_NETWORKS=[{id: acme}]",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ what, got, want any }{
		{"listen, of the flag", c.Listen, "127.0.0.1:3"},
		{"clickhouse_listen, of the environment", c.ClickHouseListen, "127.0.0.1:5"},
		{"dedup_window, of the file", c.DedupWindow, time.Minute},
		{"retry.push.initial, of the environment", c.Retry.Push.Initial, 3 * time.Second},
		{"retry.push.max, of the file beside it", c.Retry.Push.Max, 7 * time.Minute},
		{"retry.push.expire, of the defaults", c.Retry.Push.Expire, 24 * time.Hour},
		{"a list as YAML", len(c.Retry.Webhooks), 2},
		{"a list with commas", len(c.AllowPrivateNetworks), 2},
		{"networks as YAML", c.Networks[0].ID, chatbell.NetworkID("acme")},
	} {
		if !reflect.DeepEqual(x.got, x.want) {
			t.Errorf("%s is %v, want %v", x.what, x.got, x.want)
		}
	}
}

// Others' variables with our prefix are no keys: the commands' own, those that hold the
// file's secrets, and what Kubernetes sets for a service that is named chatbell.
func TestForeignVariables(t *testing.T) {
	_, err := load(t, "admin_key: env:CHATBELL_THE_SECRET\n", "CHATBELL_THE_SECRET=0123456789abcdef", "CHATBELL_ADMIN_KEY=", "CHATBELL_CLICKHOUSE_PASSWORD=env:CHATBELL_OTHER",
		"CHATBELL_OTHER=0123456789abcdeg", "CHATBELL_SERVER=http://elsewhere", "CHATBELL_KEY=not-ours", "CHATBELL_SERVICE_HOST=10.0.0.1", "CHATBELL_SERVICE_PORT_HTTP=80",
		"CHATBELL_PORT=tcp://10.0.0.1:80", "CHATBELL_PORT_80_TCP_ADDR=10.0.0.1")
	if err != nil {
		t.Error(err)
	}
}

// What is wrong in the environment or a flag names the variable or the flag.
func TestMistakesOutsideTheFile(t *testing.T) {
	for _, c := range []struct{ variable, want string }{
		{"CHATBELL_LISTN=x", `environment variable CHATBELL_LISTN: listn: there is no key listn; did you mean "listen"?`},
		{"CHATBELL_RETRY__PUSCH=x", `environment variable CHATBELL_RETRY__PUSCH: retry.pusch: there is no key retry.pusch; did you mean "push"?`},
		{"CHATBELL_LISTEN__X=x", "there is no key listen.x"},
		{"CHATBELL_NETWORKS__0__ID=x", "environment variable CHATBELL_NETWORKS__0__ID: networks.0.id: names an element of the list networks; elements of lists are given in the configuration file"},
		{"CHATBELL_SHUTDOWN_TIMEOUT=30", `environment variable CHATBELL_SHUTDOWN_TIMEOUT: shutdown_timeout: must be a duration with a unit, not "30"; write 30s`},
		{"CHATBELL_RETRY__WEBHOOKS=5,300s", `environment variable CHATBELL_RETRY__WEBHOOKS: retry.webhooks[0]: must be a duration with a unit, not "5"; write 5s`},
		{"CHATBELL_RETRY__WEBHOOKS=[5", "environment variable CHATBELL_RETRY__WEBHOOKS: retry.webhooks: must be written as YAML"},
		{"CHATBELL_NETWORKS=[{id: A}]", "environment variable CHATBELL_NETWORKS: networks[0].id: must be 1 to 64 characters"},
		{"CHATBELL_ADMIN_KEY=hunter2", "environment variable CHATBELL_ADMIN_KEY: admin_key: must have 16 to 512 characters"},
		{"CHATBELL_XMTP={listen: x}", "xmtp: the XMTP surface is not in this build"},
	} {
		_, err := config.Load(config.Options{Env: []string{c.variable}})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v\nwant %s", c.variable, err, c.want)
		}
	}
	_, err := config.Load(config.Options{Flags: map[string]string{"listen": "nonsense"}})
	if want := `flag --listen: listen: must be host:port, not "nonsense"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	// A variable below a key that is no group does not hide the file's mistake.
	_, err = load(t, "retry: 3", "CHATBELL_RETRY__PUSH__MAX=1m")
	if want := "chatbell.yaml:1: retry: must hold keys"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// A variable changes a group where it stands, not the anchor that it was taken from.
func TestVariableBelowAnAlias(t *testing.T) {
	// If the anchor changed, history would have a value, and it is not in this build.
	c, err := load(t, "history: &nothing {max: }\nretry: {push: *nothing}\n", "CHATBELL_RETRY__PUSH__MAX=1m")
	if err != nil || c.Retry.Push.Max != time.Minute {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestNoSuchFile(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "nosuch.yaml"): `nosuch.yaml: there is no such file; give the path of a configuration after --config; "chatbell check-config --example" prints one`,
		dir:                               "cannot be read: is a directory; check that it is a file",
	} {
		_, err := config.Load(config.Options{File: path, Env: []string{"CHATBELL_LISTN=x"}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if all, ok := config.AsError(err); !ok || len(all.Problems) != 1 {
			t.Errorf("beside the file that is missing other problems are guessed: %v", err)
		}
	}
}

// What is odd, but works, is a warning.
func TestWarnings(t *testing.T) {
	file := write(t, "clickhouse: http://ch:8123\nclickhouse_user: somebody\nnetworks: [{id: a, keys: [{id: k, secret: 0123456789abcdef, scope: client}]}]\n")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, w := range c.Warnings {
		all = append(all, w.String())
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{
		"chatbell.yaml:2: clickhouse_user: has no effect, because clickhouse is not embedded",
		"chatbell.yaml:3: networks[0].keys[0].secret: is shorter than the 32 characters",
		"networks[0].keys[0].secret: is a secret in a file that every user of this machine can read; run chmod 600",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no warning %q in\n%s", want, text)
		}
	}
	if len(all) != 3 || strings.Contains(text, "0123456789abcdef") {
		t.Errorf("warnings:\n%s", text)
	}
}

// The checks of what the configuration names are told together with all else, and are
// asked in any case.
func TestCheckIsToldWithTheRest(t *testing.T) {
	_, err := config.Load(config.Options{File: write(t, "listen: x\nca_files: [internal-ca.pem, nowhere]\n"), Check: func(_ *config.Config, p *config.Problems) {
		if !p.Has("listen") || !p.Has("ca_files[1]") || p.Has("ca_files[0]") {
			t.Error("the check does not see what is wrong already")
		}
		p.Add("ca_files[0]", "holds no certificate", "")
		p.Add("listen", "hides the cause", "")
	}})
	var all *config.Error
	if !errors.As(err, &all) || len(all.Problems) != 3 || !strings.Contains(err.Error(), `chatbell.yaml:2: ca_files[0]: "internal-ca.pem" holds no certificate`) || strings.Contains(err.Error(), "hides") {
		t.Errorf("got %v", err)
	}
}
