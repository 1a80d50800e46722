package sandbox_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"chatbell"
	"chatbell/internal/sandbox"
)

func TestSameFolderSameKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made when it is missing")
	first := start(t, sandbox.Config{Dir: dir})
	token := first.providerToken(t, nil)
	a := first.creds
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := start(t, sandbox.Config{Dir: dir})
	req := second.push(t, phone, alert("a", "b"))
	req.Header.Set("authorization", "bearer "+token)
	want(t, second.do(t, req), 200, "")
	if b := second.creds; a.HookSecret != b.HookSecret || a.CAFile != b.CAFile {
		t.Errorf("%+v and %+v", a, b)
	}
	second.bearer(t)
	for _, f := range []string{"AuthKey.p8", "ca-key.pem", "fcm.json", "hook-secret.txt"} {
		info, err := os.Stat(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", f, info.Mode())
		}
	}
}

func TestStartRefuses(t *testing.T) {
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "AuthKey.p8"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]sandbox.Config{
		"no folder":      {},
		"broken keys":    {Dir: broken},
		"no port":        {Dir: t.TempDir(), Listen: "127.0.0.1"},
		"port in words":  {Dir: t.TempDir(), Listen: "127.0.0.1:http"},
		"no room for 3":  {Dir: t.TempDir(), Listen: "127.0.0.1:65535"},
		"another's host": {Dir: t.TempDir(), Listen: "192.0.2.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sandbox.Start(t.Context(), cfg)
			if err == nil {
				_ = s.Close()
				t.Error("started")
			}
		})
	}
}

func TestFixedPortsFollowEachOther(t *testing.T) {
	dir := t.TempDir()
	for port := 9090; port < 65533; port += 3 {
		at := func(n int) string { return (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port + n}).String() }
		s, err := sandbox.Start(t.Context(), sandbox.Config{Dir: dir, Listen: at(0)})
		if err != nil {
			continue // somebody else has one of the three
		}
		defer s.Close()
		c := s.Credentials()
		if c.URL != "http://"+at(0) || c.APNsURL != "https://"+at(1) || c.FCMURL != "https://"+at(2) {
			t.Errorf("listens on %s, %s, %s", c.URL, c.APNsURL, c.FCMURL)
		}
		return
	}
	t.Fatal("never found three free ports in a row")
}

func TestListeningEverywhereIsReachedOnLoopback(t *testing.T) {
	r := start(t, sandbox.Config{Listen: "0.0.0.0:0"})
	for _, u := range []string{r.creds.URL, r.creds.APNsURL, r.creds.FCMURL} {
		if !strings.Contains(u, "//127.0.0.1:") {
			t.Errorf("%s", u)
		}
	}
	want(t, r.do(t, r.push(t, phone, alert("a", "b"))), 200, "")
	if text := r.creds.YAML(); !strings.Contains(text, "127.0.0.0/8") {
		t.Error(text)
	}
}

func TestYAML(t *testing.T) {
	c := sandbox.Credentials{
		CAFile: "/tmp/a b/ca.pem", APNsURL: "https://127.0.0.1:2", APNsKeyFile: "/tmp/AuthKey.p8", APNsKeyID: "K", APNsTeamID: "T",
		FCMURL: "https://127.0.0.1:3", FCMFile: "/tmp/fcm.json", URL: "http://127.0.0.1:1", HookSecret: "whsec_abcd",
	}
	text := c.YAML(
		sandbox.Network{ID: "acme", Key: "env:KEY"},
		sandbox.Network{ID: "globex", Key: `odd: "key"`, DefaultLocale: "de", Delivery: chatbell.DeliverWebhook, App: "app"},
	)
	var got map[string]any
	if err := yaml.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	network := func(id, locale, delivery, key, app string) any {
		return map[string]any{
			"id": id, "default_locale": locale, "delivery": delivery,
			"keys": []any{map[string]any{"id": "backend", "secret": key, "scope": "server"}},
			"apns": []any{map[string]any{
				"bundle_id": app, "endpoint": c.APNsURL, "key_file": c.APNsKeyFile, "key_id": "K", "team_id": "T", "ca_file": c.CAFile,
			}},
			"fcm": []any{map[string]any{"app": app, "credentials_file": c.FCMFile, "endpoint": c.FCMURL, "ca_file": c.CAFile}},
			"webhooks": []any{map[string]any{
				"id": "main", "url": c.URL + "/hooks/" + id, "secret": c.HookSecret, "events": []any{"*"}, "signature": []any{"standard", "amity"},
			}},
		}
	}
	want := map[string]any{
		"allow_private_networks": []any{"127.0.0.0/8"},
		"networks": []any{
			network("acme", "en", "direct", "env:KEY", "com.acme.chat"), network("globex", "de", "webhook", `odd: "key"`, "app"),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%s", diff, strings.TrimSpace(text))
	}
}
