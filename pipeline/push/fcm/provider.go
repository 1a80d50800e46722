package fcm

import (
	"cmp"
	"errors"
	"strings"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/internal/h2"
)

// The options of a credential.
const (
	optionApp         = "app"
	optionCredentials = "credentials_file"
	optionEndpoint    = "endpoint"
)

// Provider describes this provider.
var Provider = &push.Provider{
	Name: chatbell.ProviderFCM,
	Doc:  "Credentials for Google's push service, one for each app.",
	App:  optionApp,
	Options: []push.Option{
		{Name: optionApp, Doc: "The app, as devices name it when they are registered.", Sample: "com.acme.chat", Required: true},
		{
			Name: optionCredentials, Kind: push.File, Sample: "fcm.json", Required: true,
			Doc: "The service account's key: Firebase console, Project settings, Service accounts (JSON).",
		},
		{
			Name: optionEndpoint, Form: "address `https://host:port` or `http://host:port`, without /v1",
			Doc:   "Where pushes go in place of Google. For tests.",
			Check: checkEndpoint,
		},
	},
	Tokens: "the registration token",
	// Google says nothing of the form of a token, so whatever the API takes will do.
	Token: func(token string) (string, error) { return token, nil },
	Host:  hostOf,
	New:   open,
}

func checkEndpoint(value string) error {
	if !strings.HasPrefix(value, "https://") && !strings.HasPrefix(value, "http://") {
		return errors.New("must be an address that begins with https:// or http://, without /v1")
	}
	_, err := h2.ParseEndpoint(value, "https", "http")
	return err
}

// hostOf is the server of a credential.
func hostOf(options map[string]string) string {
	endpoint, err := h2.ParseEndpoint(cmp.Or(options[optionEndpoint], googleEndpoint), "https", "http")
	if err != nil {
		return ""
	}
	return endpoint.Host
}

// open adapts New, and says which option is at fault.
func open(credential push.Credential) (push.NotifierCloser, error) {
	conf := Config{
		App:             credential.Options[optionApp],
		CredentialsJSON: []byte(credential.Options[optionCredentials]),
		Endpoint:        credential.Options[optionEndpoint],
		RootCAs:         credential.RootCAs,
		Timeout:         credential.Timeout,
	}
	if _, err := parseAccount(conf.CredentialsJSON); err != nil {
		return nil, &push.OptionError{Option: optionCredentials, Err: err}
	}
	return New(conf)
}
