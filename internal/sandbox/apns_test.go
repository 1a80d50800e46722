package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbell/internal/sandbox"
)

func TestAPNsAccepts(t *testing.T) {
	r := start(t, sandbox.Config{})
	a := r.do(t, r.push(t, phone, alert("Alice", "Hi"), "apns-collapse-id", "c1", "apns-priority", "10", "apns-expiration", "1800000000"))
	want(t, a, http.StatusOK, "")
	if a.proto != "HTTP/2.0" || len(a.header.Get("apns-id")) != 36 {
		t.Errorf("over %s with apns-id %q", a.proto, a.header.Get("apns-id"))
	}
	const own = "123e4567-e89b-12d3-a456-426614174000"
	if got := r.do(t, r.push(t, phone, alert("Alice", "Hi"), "apns-id", own)).header.Get("apns-id"); got != own {
		t.Errorf("apns-id = %q, want the one sent", got)
	}
	n := r.Notifications(sandbox.Query{})
	if len(n) != 2 || n[0].Title != "Alice" || n[0].Body != "Hi" || n[0].Device != phone || n[0].App != "com.acme.chat" ||
		n[0].CollapseID != "c1" || n[0].ProviderID != a.header.Get("apns-id") || n[0].Headers["apns-expiration"] != "1800000000" {
		t.Errorf("kept %+v", n)
	}
}

func TestAPNsRefusesProviderTokens(t *testing.T) {
	r := start(t, sandbox.Config{})
	for name, tt := range map[string]struct {
		change func(*jwt.Token, jwt.MapClaims)
		reason string
	}{
		"another team":    {func(_ *jwt.Token, c jwt.MapClaims) { c["iss"] = "OTHERTEAM1" }, "InvalidProviderToken"},
		"no team":         {func(_ *jwt.Token, c jwt.MapClaims) { delete(c, "iss") }, "InvalidProviderToken"},
		"another key id":  {func(t *jwt.Token, _ jwt.MapClaims) { t.Header["kid"] = "OTHERKEY12" }, "InvalidProviderToken"},
		"too old":         {func(_ *jwt.Token, c jwt.MapClaims) { c["iat"] = time.Now().Add(-61 * time.Minute).Unix() }, "ExpiredProviderToken"},
		"of the future":   {func(_ *jwt.Token, c jwt.MapClaims) { c["iat"] = time.Now().Add(time.Hour).Unix() }, "InvalidProviderToken"},
		"no time":         {func(_ *jwt.Token, c jwt.MapClaims) { delete(c, "iat") }, "InvalidProviderToken"},
		"other algorithm": {func(t *jwt.Token, _ jwt.MapClaims) { t.Method = jwt.SigningMethodHS256; t.Header["alg"] = "HS256" }, "InvalidProviderToken"},
	} {
		t.Run(name, func(t *testing.T) {
			req := r.push(t, phone, alert("a", "b"))
			req.Header.Set("authorization", "bearer "+r.providerToken(t, tt.change))
			want(t, r.do(t, req), http.StatusForbidden, `{"reason":"`+tt.reason+`"}`)
		})
	}
	t.Run("signature of another text", func(t *testing.T) {
		good := strings.Split(r.providerToken(t, nil), ".")
		later := strings.Split(r.providerToken(t, func(_ *jwt.Token, c jwt.MapClaims) { c["iat"] = time.Now().Unix() - 5 }), ".")
		req := r.push(t, phone, alert("a", "b"))
		req.Header.Set("authorization", "bearer "+good[0]+"."+later[1]+"."+good[2])
		want(t, r.do(t, req), http.StatusForbidden, `{"reason":"InvalidProviderToken"}`)
	})
	t.Run("none", func(t *testing.T) {
		req := r.push(t, phone, alert("a", "b"))
		req.Header.Del("authorization")
		want(t, r.do(t, req), http.StatusForbidden, `{"reason":"MissingProviderToken"}`)
	})
	if s := r.Stats().APNs; s.Accepted != 0 || s.Refused["InvalidProviderToken"] != 7 {
		t.Errorf("stats %+v", s)
	}
}

func TestAPNsRefusesRequests(t *testing.T) {
	r := start(t, sandbox.Config{Topics: []string{"com.acme.chat"}})
	change := func(header ...string) func(*http.Request) {
		return func(req *http.Request) { req.Header.Set(header[0], header[1]) }
	}
	path := func(p string) func(*http.Request) { return func(req *http.Request) { req.URL.Path = p } }
	for name, tt := range map[string]struct {
		payload string
		change  func(*http.Request)
		status  int
		reason  string
	}{
		"method":        {alert("a", "b"), func(r *http.Request) { r.Method = http.MethodGet; r.Body = nil }, 405, "MethodNotAllowed"},
		"path":          {alert("a", "b"), path("/4/device/" + phone), 404, "BadPath"},
		"no token":      {alert("a", "b"), path("/3/device/"), 400, "MissingDeviceToken"},
		"bad token":     {alert("a", "b"), path("/3/device/not-hexadecimal"), 400, "BadDeviceToken"},
		"no topic":      {alert("a", "b"), change("apns-topic", ""), 400, "MissingTopic"},
		"another topic": {alert("a", "b"), change("apns-topic", "com.else"), 400, "TopicDisallowed"},
		"no bundle id":  {alert("a", "b"), change("apns-topic", "com/acme"), 400, "BadTopic"},
		"push type":     {alert("a", "b"), change("apns-push-type", "shout"), 400, "InvalidPushType"},
		"priority":      {alert("a", "b"), change("apns-priority", "11"), 400, "BadPriority"},
		"background, loud": {alert("a", "b"), func(r *http.Request) {
			r.Header.Set("apns-push-type", "background")
			r.Header.Set("apns-priority", "10")
		}, 400, "BadPriority"},
		"background, priority left out": {alert("a", "b"), change("apns-push-type", "background"), 400, "BadPriority"},
		"background": {alert("a", "b"), func(r *http.Request) {
			r.Header.Set("apns-push-type", "background")
			r.Header.Set("apns-priority", "5")
		}, 200, ""},
		"expiration":  {alert("a", "b"), change("apns-expiration", "soon"), 400, "BadExpirationDate"},
		"collapse id": {alert("a", "b"), change("apns-collapse-id", strings.Repeat("x", 65)), 400, "BadCollapseId"},
		"id":          {alert("a", "b"), change("apns-id", "7"), 400, "BadMessageId"},
		"empty":       {"", nil, 400, "PayloadEmpty"},
		"no aps":      {`{"a":1}`, nil, 400, "PayloadEmpty"},
		"not JSON":    {`{"aps":`, nil, 400, "PayloadEmpty"},
		"4,097 bytes": {alert("a", strings.Repeat("x", 4097-len(alert("a", "")))), nil, 413, "PayloadTooLarge"},
		"4,096 bytes": {alert("a", strings.Repeat("x", 4096-len(alert("a", "")))), nil, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req := r.push(t, phone, tt.payload)
			if tt.change != nil {
				tt.change(req)
			}
			body := ""
			if tt.reason != "" {
				body = `{"reason":"` + tt.reason + `"}`
			}
			want(t, r.do(t, req), tt.status, body)
		})
	}
}
