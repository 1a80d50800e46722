package networks_test

import (
	"crypto/x509"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"chatbell"
	"chatbell/internal/config"
	"chatbell/internal/networks"
	"chatbell/internal/sandbox"
	"chatbell/pipeline/work"
)

// Each credential says which server it speaks to, so that what fails can be grouped by it.
func TestHosts(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	creds := box.Credentials()
	file := filepath.Join(t.TempDir(), "chatbell.yaml")
	text := creds.YAML(sandbox.Network{ID: "acme", App: "chat", Key: "acme-backend-key-0123456789"})
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	all, open, err := networks.New(cfg, nil, x509.NewCertPool(), 0)
	for _, c := range open {
		defer c.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	acme, _ := all.Network("acme")
	for provider, want := range map[chatbell.Provider]string{chatbell.ProviderAPNs: creds.APNsURL, chatbell.ProviderFCM: creds.FCMURL} {
		u, err := url.Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := acme.Hosts[work.Credential{Provider: provider, App: "chat"}]; got != u.Host {
			t.Errorf("%s speaks to %q, want %q", provider, got, u.Host)
		}
	}
}
