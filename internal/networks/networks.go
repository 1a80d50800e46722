// Package networks makes the networks of an installation as the pipeline knows them: their
// texts, rules, endpoints and opened credentials. It can also say what is wrong with what a
// configuration names for them, without keeping anything open.
package networks

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"chatbell"
	"chatbell/internal/config"
	"chatbell/pipeline/push"
	"chatbell/pipeline/work"
	"chatbell/rules"
	"chatbell/templates"
)

// Registry is all networks, by id. It is immutable once made.
type Registry map[chatbell.NetworkID]*work.Network

// Network finds a network.
func (r Registry) Network(id chatbell.NetworkID) (*work.Network, bool) {
	network, ok := r[id]
	return network, ok
}

// New builds the networks of the configuration, and those of the store
// (which have no credentials yet: they are made by the zero-configuration start). Sends take at most the timeout; 0
// leaves it to the providers. What is returned to be closed was opened also when there is an
// error.
func New(cfg *config.Config, stored []chatbell.NetworkID, roots *x509.CertPool, timeout time.Duration) (Registry, []io.Closer, error) {
	registry := Registry{}
	var open []io.Closer
	builtin, err := templates.LoadBuiltin() // parsed once for all networks
	if err != nil {
		return nil, nil, fmt.Errorf("built-in texts: %w", err)
	}
	for i := range cfg.Networks {
		network, closers, err := newNetwork(&cfg.Networks[i], builtin, roots, timeout)
		open = append(open, closers...)
		if err != nil {
			return nil, open, fmt.Errorf("network %s: %w", cfg.Networks[i].ID, err)
		}
		registry[network.ID] = network
	}
	for _, id := range stored {
		if registry[id] != nil {
			continue
		}
		net, _, err := newNetwork(&config.Network{
			ID:            id,
			DefaultLocale: "en",
			Delivery:      chatbell.DeliverDirect,
		}, builtin, roots, timeout)
		if err != nil {
			return nil, open, fmt.Errorf("network %s: %w", id, err)
		}
		registry[id] = net
	}
	return registry, open, nil
}

// Endpoints keeps which webhooks are disabled.
type Endpoints interface {
	DisabledEndpoints(ctx context.Context) (map[chatbell.NetworkID]map[chatbell.EndpointID]chatbell.Reason, error)
	EnableChangedEndpoint(ctx context.Context, network chatbell.NetworkID, endpoint chatbell.Endpoint) (bool, error)
}

// EnableChanged enables the webhooks that were disabled with another URL than they have now.
func (r Registry) EnableChanged(ctx context.Context, kept Endpoints) error {
	disabled, err := kept.DisabledEndpoints(ctx)
	if err != nil {
		return fmt.Errorf("read which webhooks are disabled: %w", err)
	}
	for network, off := range disabled {
		if r[network] == nil {
			continue
		}
		for _, endpoint := range r[network].Endpoints {
			if off[endpoint.ID] == "" {
				continue
			}
			if _, err := kept.EnableChangedEndpoint(ctx, network, endpoint); err != nil {
				return fmt.Errorf("enable webhook %s of network %s: %w", endpoint.ID, network, err)
			}
		}
	}
	return nil
}

func newNetwork(network *config.Network, builtin *templates.Builtin, roots *x509.CertPool, timeout time.Duration) (*work.Network, []io.Closer, error) {
	net := &work.Network{
		ID:            network.ID,
		DefaultLocale: network.DefaultLocale,
		Delivery:      network.Delivery,
		Endpoints:     network.Endpoints(),
		Pushers:       map[work.Credential]push.Notifier{},
		Hosts:         map[work.Credential]string{},
	}
	var err error
	if net.Rules, err = rules.New(); err != nil {
		return nil, nil, fmt.Errorf("rules: %w", err)
	}
	if net.Catalogue, err = templates.New(templates.Config{
		DefaultLocale: network.DefaultLocale,
		Overrides:     network.Overrides(),
		Builtin:       builtin,
	}); err != nil {
		return nil, nil, fmt.Errorf("templates: %w", err)
	}
	open, err := addPushers(net, network, roots, timeout)
	return net, open, err
}

// addPushers opens the network's credentials.
func addPushers(n *work.Network, c *config.Network, roots *x509.CertPool, timeout time.Duration) (open []io.Closer, err error) {
	for _, credential := range c.Credentials() {
		notifier, err := openCredential(credential, roots, timeout)
		if err != nil {
			return open, fmt.Errorf("%s %s: %w", credential.Provider.Name, credential.App(), err)
		}
		name := work.Credential{Provider: credential.Provider.Name, App: credential.App()}
		n.Pushers[name] = notifier
		n.Hosts[name] = hostOf(credential)
		open = append(open, notifier)
	}
	return open, nil
}

// hostOf is the server that a credential speaks to; empty where its provider does not say.
func hostOf(c config.Credential) string {
	if c.Provider.Host == nil {
		return ""
	}
	options := map[string]string{}
	for option, value := range c.Options() {
		if option.Kind == push.Text {
			options[option.Name] = value
		}
	}
	return c.Provider.Host(options)
}

// openCredential reads the files that a credential names and opens it.
func openCredential(credential config.Credential, roots *x509.CertPool, timeout time.Duration) (push.NotifierCloser, error) {
	options, err := contents(credential)
	if err != nil {
		return nil, err
	}
	pool, err := withCA(roots, credential.Value(push.OptionCAFile))
	if err != nil {
		return nil, &push.OptionError{Option: push.OptionCAFile, Err: err}
	}
	return credential.Provider.New(push.Credential{Options: options, RootCAs: pool, Timeout: timeout})
}

// contents are a credential's options, of files what they hold.
func contents(c config.Credential) (map[string]string, error) {
	options := map[string]string{}
	for option, value := range c.Options() {
		if option.Kind == push.File && value != "" && option.Name != push.OptionCAFile {
			data, err := os.ReadFile(value)
			if err != nil {
				return nil, &push.OptionError{Option: option.Name, Err: err}
			}
			value = string(data)
		}
		options[option.Name] = value
	}
	return options, nil
}

// RootCAs is the system's roots with the configured files.
func RootCAs(files []string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificate authorities: %w", err)
	}
	for _, file := range files {
		if err := addCA(pool, file); err != nil {
			return nil, err
		}
	}
	return pool, nil
}

// withCA adds one more file for one destination only.
func withCA(pool *x509.CertPool, file string) (*x509.CertPool, error) {
	if file == "" {
		return pool, nil
	}
	pool = pool.Clone()
	return pool, addCA(pool, file)
}

var errNoCertificate = errors.New("holds no PEM certificate")

func addCA(pool *x509.CertPool, file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read certificate authority: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("certificate authority %s %w", file, errNoCertificate)
	}
	return nil
}
