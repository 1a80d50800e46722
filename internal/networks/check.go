package networks

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"chatbell/internal/config"
	"chatbell/pipeline/push"
	"chatbell/templates"
)

// Check tells what is wrong with the files and texts that a configuration names for its
// networks.
func Check(cfg *config.Config, p *config.Problems) {
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
		checkCredentials(p, key, n)
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

// checkCredentials opens each credential, so that each fault names its own option.
func checkCredentials(p *config.Problems, key string, n *config.Network) {
	for _, c := range n.Credentials() {
		at := key + "." + c.Key
		checkCA(p, at+"."+push.OptionCAFile, c.Value(push.OptionCAFile))
		if !known(p, at, c) {
			continue
		}
		options, err := contents(c)
		if err == nil {
			err = closeAtOnce(c.Provider.New(push.Credential{Options: options}))
		}
		var fault *push.OptionError
		switch {
		case errors.As(err, &fault):
			p.Add(at+"."+fault.Option, fmt.Sprintf("of network %s: %v", n.ID, fault.Err), "")
		case err != nil:
			p.Add(at, cause(err), "")
		}
	}
}

// known reports whether nothing is wrong yet with what the credential needs.
func known(p *config.Problems, at string, c config.Credential) bool {
	for o := range c.Options() {
		if p.Has(at+"."+o.Name) && o.Name != push.OptionCAFile {
			return false
		}
	}
	return true
}

// closeAtOnce closes what was made to see whether it can be; nothing was sent with it.
func closeAtOnce(made io.Closer, err error) error {
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
