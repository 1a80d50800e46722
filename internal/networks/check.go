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
func Check(cfg *config.Config, problems *config.Problems) {
	for i, file := range cfg.CAFiles {
		checkCA(problems, fmt.Sprintf("ca_files[%d]", i), file)
	}
	builtin, err := templates.LoadBuiltin() // parsed once for all networks
	if err != nil {
		problems.Add("networks", "built-in texts: "+err.Error(), "this build is broken")
		return
	}
	for i := range cfg.Networks {
		network := &cfg.Networks[i]
		key := fmt.Sprintf("networks[%d]", i)
		checkCredentials(problems, key, network)
		checkTexts(problems, key, network, builtin)
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
func checkCredentials(problems *config.Problems, key string, n *config.Network) {
	for _, credential := range n.Credentials() {
		place := key + "." + credential.Key
		checkCA(problems, place+"."+push.OptionCAFile, credential.Value(push.OptionCAFile))
		if !known(problems, place, credential) {
			continue
		}
		options, err := contents(credential)
		if err == nil {
			err = closeAtOnce(credential.Provider.New(push.Credential{Options: options}))
		}
		var fault *push.OptionError
		switch {
		case errors.As(err, &fault):
			problems.Add(place+"."+fault.Option, fmt.Sprintf("of network %s: %v", n.ID, fault.Err), "")
		case err != nil:
			problems.Add(place, cause(err), "")
		}
	}
}

// known reports whether nothing is wrong yet with what the credential needs.
func known(p *config.Problems, at string, c config.Credential) bool {
	for option := range c.Options() {
		if p.Has(at+"."+option.Name) && option.Name != push.OptionCAFile {
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
func checkTexts(problems *config.Problems, key string, n *config.Network, builtin *templates.Builtin) {
	texts := n.Overrides()
	if len(texts) == 0 || problems.Has(key+".default_locale") {
		return
	}
	for range maxTextProblems {
		_, err := templates.New(templates.Config{DefaultLocale: n.DefaultLocale, Overrides: texts, Builtin: builtin})
		var bad *templates.ParseError
		if !errors.As(err, &bad) {
			if err != nil {
				problems.Add(key+".templates", err.Error(), "")
			}
			return
		}
		place := key + ".templates." + bad.Template + "." + bad.Locale
		if bad.Field != "" {
			problems.Add(place+"."+bad.Field, fmt.Sprintf("line %d, column %d: %s", bad.Line, bad.Column, bad.Detail), "")
		} else {
			problems.Add(place, bad.Detail, "")
		}
		if _, ok := texts[bad.Template][bad.Locale]; !ok {
			return // the name was cut: it is told, and cannot be taken away
		}
		delete(texts[bad.Template], bad.Locale)
	}
}
