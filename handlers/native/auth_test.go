package native_test

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestServerKeys(t *testing.T) {
	r := start(t)
	r.ok("PUT", "/v1/users/alice", `{"name":"Alice"}`)
	for name, c := range map[string]struct {
		key    string
		header map[string]string
		path   string
		status int
	}{
		"the network's key":               {key: serverKey, status: 200},
		"in the other header":             {key: "-", header: map[string]string{"X-API-Key": serverKey}, status: 200},
		"scheme in small letters":         {key: "-", header: map[string]string{"Authorization": "bearer " + serverKey}, status: 200},
		"another network's key":           {key: otherKey, status: 404},
		"no key":                          {key: "-", status: 401},
		"a wrong key":                     {key: serverKey + "x", status: 401},
		"another scheme":                  {key: "-", header: map[string]string{"Authorization": "Basic " + serverKey}, status: 401},
		"a client key itself":             {key: clientKey, status: 403},
		"the admin key":                   {key: adminKey, path: "/v1/users/alice?network=acme", status: 200},
		"the admin key, elsewhere":        {key: adminKey, path: "/v1/users/alice?network=globex", status: 404},
		"the admin key, nowhere":          {key: adminKey, path: "/v1/users/alice?network=nobody", status: 404},
		"the admin key, not saying where": {key: adminKey, status: 400},
	} {
		if c.path == "" {
			c.path = "/v1/users/alice"
		}
		a := r.do(request{method: "GET", path: c.path, key: c.key, header: c.header})
		if a.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, c.status)
		}
		if a.status >= 400 {
			r.problem(a, c.status)
		}
	}
}

// A user's token reaches that user's devices and settings, and nothing else.
func TestUserTokens(t *testing.T) {
	r := start(t)
	r.ok("POST", "/v1/devices", `{"device_id":"d-bob","user":"bob","provider":"fcm","token":"t-bob"}`)
	hour := time.Now().Add(time.Hour).Unix()
	claims := func(sub any, exp any) jwt.MapClaims {
		c := jwt.MapClaims{}
		if sub != nil {
			c["sub"] = sub
		}
		if exp != nil {
			c["exp"] = exp
		}
		return c
	}
	good := userToken(t, claims("alice", hour), "phones", clientSecret, jwt.SigningMethodHS256)
	for name, c := range map[string]struct {
		token, method, path, body string
		status                    int
	}{
		"own device":               {good, "POST", "/v1/devices", `{"device_id":"d-alice","provider":"fcm","token":"t-alice"}`, 200},
		"own device, named":        {good, "POST", "/v1/devices", `{"user":"alice","provider":"fcm","token":"t-alice2"}`, 200},
		"another's device":         {good, "POST", "/v1/devices", `{"user":"bob","provider":"fcm","token":"x"}`, 403},
		"another's device_id":      {good, "POST", "/v1/devices", `{"device_id":"d-bob","provider":"fcm","token":"x"}`, 409},
		"another's devices listed": {good, "GET", "/v1/devices?user=bob", "", 403},
		"another's removed":        {good, "DELETE", "/v1/devices/d-bob", "", 404},
		"another's removed, named": {good, "DELETE", "/v1/devices?device_id=d-bob&user=bob", "", 403},
		"own settings":             {good, "PUT", "/v1/settings/users/alice", `{"enabled":false}`, 200},
		"another's settings":       {good, "GET", "/v1/settings/users/bob", "", 403},
		"another's channel":        {good, "PATCH", "/v1/settings/users/bob/channels/c", "{}", 403},
		"the network's settings":   {good, "GET", "/v1/settings/network", "", 403},
		"events":                   {good, "POST", "/v1/events", user, 403},
		"users":                    {good, "GET", "/v1/users/alice", "", 403},
		"expired":                  {userToken(t, claims("alice", time.Now().Add(-time.Minute).Unix()), "phones", clientSecret, jwt.SigningMethodHS256), "GET", "/v1/devices", "", 401},
		"never expires":            {userToken(t, claims("alice", nil), "phones", clientSecret, jwt.SigningMethodHS256), "GET", "/v1/devices", "", 401},
		"nobody's":                 {userToken(t, claims(nil, hour), "phones", clientSecret, jwt.SigningMethodHS256), "GET", "/v1/devices", "", 401},
		"of an odd user":           {userToken(t, claims("a\x00b", hour), "phones", clientSecret, jwt.SigningMethodHS256), "GET", "/v1/devices", "", 401},
		"another secret":           {userToken(t, claims("alice", hour), "phones", "guess", jwt.SigningMethodHS256), "GET", "/v1/devices", "", 401},
		"an unknown key":           {userToken(t, claims("alice", hour), "nobody", clientSecret, jwt.SigningMethodHS256), "GET", "/v1/devices", "", 401},
		"another algorithm":        {userToken(t, claims("alice", hour), "phones", clientSecret, jwt.SigningMethodHS512), "GET", "/v1/devices", "", 401},
		"no signature":             {userToken(t, claims("alice", hour), "phones", "", jwt.SigningMethodNone), "GET", "/v1/devices", "", 401},
		"no token at all":          {"a.b.c", "GET", "/v1/devices", "", 401},
	} {
		a := r.do(request{method: c.method, path: c.path, body: c.body, key: c.token})
		if a.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, c.status)
		}
		if a.status >= 400 {
			r.problem(a, c.status)
		}
	}
	if a := r.do(request{method: "GET", path: "/v1/devices", key: good}); strings.Contains(a.body, "bob") || !strings.Contains(a.body, "d-alice") {
		t.Errorf("own devices: %s", a.body)
	}
	if a := r.ok("GET", "/v1/devices?user=bob", ""); !strings.Contains(a.body, "d-bob") {
		t.Errorf("bob has lost the device: %s", a.body)
	}
}
