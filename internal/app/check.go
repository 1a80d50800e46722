package app

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"chatbell/analytics/clickhouse"
	"chatbell/internal/config"
	"chatbell/pipeline/push/apns"
	"chatbell/pipeline/push/fcm"
	"chatbell/templates"
)

// Check looks into what a configuration names (keys, certificates, texts), so that a
// mistake in a file is told with all others, without starting a server. It is
// config.Options.Check.
func Check(cfg *config.Config, p *config.Problems) {
	if !cfg.EmbeddedClickHouse() && !p.Has("clickhouse") {
		if err := clickhouse.CheckDSN(cfg.ClickHouse.Reveal()); err != nil {
			p.Add("clickhouse", err.Error(), "")
		}
	}
	for i, file := range cfg.CAFiles {
		checkCA(p, fmt.Sprintf("ca_files[%d]", i), file)
	}
	builtin, err := templates.LoadBuiltin() // parsed once for all networks
	if err != nil {
		p.Add("networks", "built-in texts: "+err.Error(), "this build is broken")
		return
	}
	for i := range cfg.Networks {
		n := &cfg.Networks[i]
		key := fmt.Sprintf("networks[%d]", i)
		checkAPNs(p, key, n)
		checkFCM(p, key, n)
		checkTexts(p, key, n, builtin)
	}
}

func checkCA(p *config.Problems, key, file string) {
	if file == "" || p.Has(key) {
		return
	}
	if err := addCA(x509.NewCertPool(), file); err != nil {
		p.Add(key, err.Error(), "name a PEM file that begins with -----BEGIN CERTIFICATE-----")
	}
}

// The key is checked apart from the address, so that each fault names its own key.
func checkAPNs(p *config.Problems, key string, n *config.Network) {
	for i := range n.APNs {
		a := &n.APNs[i]
		at := fmt.Sprintf("%s.apns[%d]", key, i)
		checkCA(p, at+".ca_file", a.CAFile)
		if p.Has(at+".bundle_id") || p.Has(at+".key_id") || p.Has(at+".team_id") || p.Has(at+".key_file") {
			continue
		}
		pem, err := os.ReadFile(a.KeyFile)
		if err != nil {
			p.Add(at+".key_file", err.Error(), "")
			continue
		}
		conf := apns.Config{BundleID: a.BundleID, KeyPEM: pem, KeyID: a.KeyID, TeamID: a.TeamID}
		if err := closeAtOnce(apns.New(conf)); err != nil {
			p.Add(at+".key_file", fmt.Sprintf("of network %s: %s", n.ID, cause(err)), "")
			continue
		}
		conf.Endpoint = a.Endpoint
		if err := closeAtOnce(apns.New(conf)); err != nil {
			p.Add(at+".endpoint", cause(err), "")
		}
	}
}

func checkFCM(p *config.Problems, key string, n *config.Network) {
	for i := range n.FCM {
		f := &n.FCM[i]
		at := fmt.Sprintf("%s.fcm[%d]", key, i)
		checkCA(p, at+".ca_file", f.CAFile)
		if p.Has(at+".app") || p.Has(at+".credentials_file") {
			continue
		}
		account, err := os.ReadFile(f.CredentialsFile)
		if err != nil {
			p.Add(at+".credentials_file", err.Error(), "")
			continue
		}
		conf := fcm.Config{App: f.App, CredentialsJSON: account}
		if err := closeAtOnce(fcm.New(conf)); err != nil {
			p.Add(at+".credentials_file", fmt.Sprintf("of network %s: %s", n.ID, cause(err)), "")
			continue
		}
		conf.Endpoint = f.Endpoint
		if err := closeAtOnce(fcm.New(conf)); err != nil {
			p.Add(at+".endpoint", cause(err), "")
		}
	}
}

// closeAtOnce closes what was made to see whether it can be; nothing was sent with it.
func closeAtOnce(made closer, err error) error {
	if err == nil {
		_ = made.Close()
	}
	return err
}

// cause is an error without the names that the key tells already.
func cause(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		return inner.Error()
	}
	return err.Error()
}

// maxTextProblems bounds how often a network's texts are read again to find the next
// mistake.
const maxTextProblems = 20

// checkTexts tells each text of the network that cannot be used: the catalogue stops at
// the first, so what is wrong is taken away until nothing is.
func checkTexts(p *config.Problems, key string, n *config.Network, builtin *templates.Builtin) {
	texts := n.Overrides()
	if len(texts) == 0 || p.Has(key+".default_locale") {
		return
	}
	for range maxTextProblems {
		_, err := templates.New(templates.Config{DefaultLocale: n.DefaultLocale, Overrides: texts, Builtin: builtin})
		var bad *templates.ParseError
		if !errors.As(err, &bad) {
			if err != nil {
				p.Add(key+".templates", err.Error(), "")
			}
			return
		}
		at := key + ".templates." + bad.Template + "." + bad.Locale
		if bad.Field != "" {
			p.Add(at+"."+bad.Field, fmt.Sprintf("line %d, column %d: %s", bad.Line, bad.Column, bad.Detail), "")
		} else {
			p.Add(at, bad.Detail, "")
		}
		if _, ok := texts[bad.Template][bad.Locale]; !ok {
			return // the name was cut: it is told, and cannot be taken away
		}
		delete(texts[bad.Template], bad.Locale)
	}
}
