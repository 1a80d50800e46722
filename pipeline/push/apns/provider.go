package apns

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/internal/h2"
)

// The options of a credential.
const (
	optionBundleID = "bundle_id"
	optionEndpoint = "endpoint"
	optionKeyFile  = "key_file"
	optionKeyID    = "key_id"
	optionTeamID   = "team_id"
)

// Provider describes this provider.
var Provider = &push.Provider{
	Name:     chatbell.ProviderAPNs,
	Doc:      "Credentials for Apple's push service, one for each app.",
	App:      optionBundleID,
	Platform: chatbell.PlatformIOS,
	Options: []push.Option{
		{Name: optionBundleID, Doc: "The app.", Sample: "com.acme.chat", Required: true},
		{
			Name: optionEndpoint, Form: "`production`, `sandbox`, or an address `https://host:port`",
			Doc:     "Where pushes go. With `production` devices that are registered as `sandbox` go to Apple's sandbox.",
			Default: Production, Check: checkEndpoint,
		},
		{Name: optionKeyFile, Kind: push.File, Doc: "The signing key, as Apple hands it out (.p8).", Sample: "AuthKey.p8", Required: true},
		{Name: optionKeyID, Doc: "The key's id: Apple Developer, Keys.", Sample: "ABC123DEFG", Required: true},
		{Name: optionTeamID, Doc: "The team's id: Apple Developer, Membership.", Sample: "DEF123GHIJ", Required: true},
	},
	Tokens: "the device token, hexadecimal with at most 400 characters",
	Token:  checkToken,
	Host:   hostOf,
	New:    open,
}

func checkEndpoint(value string) error {
	if value == Production || value == Sandbox {
		return nil
	}
	if !strings.HasPrefix(value, "https://") {
		return errors.New("must be production, sandbox or an address that begins with https://")
	}
	_, err := h2.ParseEndpoint(value, "https")
	return err
}

// maxHexToken is how long a token may be when it is registered, as at Amity.
const maxHexToken = 400

var hexToken = regexp.MustCompile(`^[0-9A-Fa-f]+$`)

// checkToken: one phone, however its token is written.
func checkToken(token string) (string, error) {
	if len(token) > maxHexToken || !hexToken.MatchString(token) {
		return "", fmt.Errorf("must be hexadecimal with at most %d characters for apns", maxHexToken)
	}
	return strings.ToLower(token), nil
}

// hostOf is the server of a credential: with production the sandbox's few devices count
// with it.
func hostOf(options map[string]string) string {
	urls, err := endpoints(options[optionEndpoint])
	if err != nil {
		return ""
	}
	return urls[0].Host
}

// open adapts New, and says which option is at fault.
func open(credential push.Credential) (push.NotifierCloser, error) {
	conf := Config{
		BundleID: credential.Options[optionBundleID],
		Endpoint: credential.Options[optionEndpoint],
		KeyPEM:   []byte(credential.Options[optionKeyFile]),
		KeyID:    credential.Options[optionKeyID],
		TeamID:   credential.Options[optionTeamID],
		RootCAs:  credential.RootCAs,
		Timeout:  credential.Timeout,
	}
	if _, err := newSigner(conf.KeyPEM, conf.KeyID, conf.TeamID); err != nil {
		return nil, &push.OptionError{Option: optionKeyFile, Err: err}
	}
	return New(conf)
}
