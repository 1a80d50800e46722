package centrifugo

import (
	"errors"
	"strings"
	"testing"
)

// What a browser registers is looked at: its endpoint, its point on the curve, its secret.
func TestSubscription(t *testing.T) {
	const good = `{"endpoint":"https://push.example/1","expirationTime":null,"keys":{"p256dh":"BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM","auth":"tBHItJI5svbpez7KI4CCXg"}}`
	endpoint, keys, err := readSubscription(strings.Replace(good, `CXg"`, `CXg=="`, 1))
	if err != nil || endpoint != "https://push.example/1" || !strings.HasPrefix(keys, `{"p256dh":"BNcR`) {
		t.Errorf("%s %s %v", endpoint, keys, err)
	}
	for old, x := range map[string]struct {
		replacement string
		want        error
	}{
		`{"endpoint"`:            {`["endpoint"`, errSubscription},
		"https:":                 {"http:", errEndpoint},
		"push.example":           {"me@push.example", errEndpoint},
		"//push.example":         {"", errEndpoint},
		"/1":                     {"/" + strings.Repeat("1", 1000), errEndpoint},
		"BNcR":                   {"BNcS", errP256DH}, // not on the curve
		"BNcRdreALRFX":           {"", errP256DH},
		"p256dh\":\"":            {"p256dh\":\"!", errP256DH},
		"tBHItJI5svbpez7KI4CCXg": {"tBHItJI5svbpez7KI4CC", errAuth},
		"auth":                   {"other", errAuth},
	} {
		if _, _, err := readSubscription(strings.Replace(good, old, x.replacement, 1)); !errors.Is(err, x.want) {
			t.Errorf("%s as %.40s: %v, want %v", old, x.replacement, err, x.want)
		}
	}
}
