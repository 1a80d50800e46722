package centrifugo

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// maxSubscription bounds a browser's subscription: its endpoint, which is the token, and two
// short keys.
const maxSubscription = 2 * maxToken

// subscription is a browser's PushSubscription.
type subscription struct {
	Endpoint string `json:"endpoint"`
	Keys     struct {
		P256DH string `json:"p256dh"`
		Auth   string `json:"auth"`
	} `json:"keys"`
}

var (
	errSubscription = errors.New("must be a browser's PushSubscription as JSON in a string, with endpoint and keys")
	errEndpoint     = errors.New("must have an https endpoint of at most 1000 characters")
	errP256DH       = errors.New("must have in keys.p256dh a point of P-256, in base64url")
	errAuth         = errors.New("must have in keys.auth 16 bytes, in base64url")
)

// authLength is that of the secret in RFC 8291 §2.
const authLength = 16

// readSubscription reads what a browser registers: its endpoint is the token that is kept,
// its keys are kept beside it.
func readSubscription(token string) (endpoint, keys string, err error) {
	var in subscription
	if json.Unmarshal([]byte(token), &in) != nil {
		return "", "", errSubscription
	}
	at, err := url.Parse(in.Endpoint)
	if err != nil || at.Scheme != "https" || at.Hostname() == "" || at.User != nil || len(in.Endpoint) > maxToken {
		return "", "", errEndpoint
	}
	point, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(in.Keys.P256DH, "="))
	if err != nil {
		return "", "", errP256DH
	}
	if _, err := ecdh.P256().NewPublicKey(point); err != nil {
		return "", "", errP256DH
	}
	auth, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(in.Keys.Auth, "="))
	if err != nil || len(auth) != authLength {
		return "", "", errAuth
	}
	data, err := json.Marshal(in.Keys)
	if err != nil {
		return "", "", errSubscription
	}
	return in.Endpoint, string(data), nil
}
