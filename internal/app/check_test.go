package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbell/internal/app"
	"chatbell/internal/config"
	"chatbell/internal/sandbox"
)

const goodHook = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// check loads a configuration with the files that it names.
func check(t *testing.T, text string, files map[string]string) error {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "chatbell.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(config.Options{File: file, Env: []string{"KEY=acme-backend-key-0123456789", "HOOK=" + goodHook}, Check: app.Check})
	return err
}

func signingKey(t *testing.T) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// What lies in the files and the texts that a configuration names is told in one run
// with all else, each with its line, its file and its network.
func TestCheckTellsAll(t *testing.T) {
	err := check(t, `clickhouse: clickhouse://user:hunter2@host:9000/data-base
listen: nonsense
ca_files: [fcm.json]
networks:
  - id: acme
    apns:
      - {bundle_id: a, key_file: fcm.json, key_id: K, team_id: T}
      - {bundle_id: b, key_file: good.p8, key_id: K, team_id: T, endpoint: "https://push.example/path"}
      - {bundle_id: c, key_file: good.p8, key_id: K, team_id: T, ca_file: good.p8}
      - {bundle_id: d, key_file: nowhere.p8, key_id: K, team_id: T}
    fcm:
      - {app: a, credentials_file: good.p8}
      - {app: b, credentials_file: fcm.json}
    templates:
      message.text: {en: {title: "{{.Nonsense}}", body: "{{.Text}}"}, de: {body: "{{"}}
      message.video: {en: {body: x}}
      message.image: {klingonlanguage: {body: x}}
`, map[string]string{"fcm.json": "{}", "good.p8": signingKey(t)})
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, want := range []string{
		"chatbell.yaml:1: clickhouse: the database name",
		"chatbell.yaml:2: listen: must be host:port",
		`chatbell.yaml:3: ca_files[0]: "fcm.json"`,
		`chatbell.yaml:7: networks[0].apns[0].key_file: "fcm.json" of network acme: the signing key cannot be read; it must be the .p8 file`,
		`chatbell.yaml:8: networks[0].apns[1].endpoint: "https://push.example/path" endpoint must be scheme and host only`,
		`chatbell.yaml:9: networks[0].apns[2].ca_file: "good.p8"`,
		`chatbell.yaml:10: networks[0].apns[3].key_file: "nowhere.p8" there is no such file`,
		`chatbell.yaml:12: networks[0].fcm[0].credentials_file: "good.p8" of network acme: the credentials are not JSON`,
		`chatbell.yaml:13: networks[0].fcm[1].credentials_file: "fcm.json" of network acme: the credentials are not those of a service account`,
		`chatbell.yaml:15: networks[0].templates.message.text.en.title: "{{.Nonsense}}" line 1, column`,
		`chatbell.yaml:15: networks[0].templates.message.text.de.body: "{{" line 1, column`,
		"chatbell.yaml:16: networks[0].templates.message.video.en: there is no such template",
		"chatbell.yaml:17: networks[0].templates.message.image.klingonlanguage: is no language tag",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q", want)
		}
	}
	if all, ok := config.AsError(err); !ok || len(all.Problems) != 13 || strings.Contains(err.Error(), "hunter2") || t.Failed() {
		t.Errorf("got %v", err)
	}
}

// What the sandbox prints is a good configuration.
func TestSandboxConfigurationIsGood(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	creds := box.Credentials()
	if err := check(t, creds.YAML(sandbox.Network{ID: "acme", Key: "env:KEY", Delivery: "both"}), nil); err != nil {
		t.Error(err)
	}
}
