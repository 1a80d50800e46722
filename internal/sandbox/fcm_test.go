package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbell/internal/sandbox"
)

func TestFCM(t *testing.T) {
	r := start(t, sandbox.Config{})
	bearer := r.bearer(t)
	a := r.do(t, r.message(t, bearer, fcmBody("tok1", "tag1", "Alice", "Hi")))
	if a.status != http.StatusOK || a.proto != "HTTP/2.0" || !strings.HasPrefix(a.body, `{"name":"projects/chatbell-sandbox/messages/0:`) {
		t.Fatalf("got %d over %s: %s", a.status, a.proto, a.body)
	}
	n := r.Notifications(sandbox.Query{Provider: "fcm", Target: "tok1"})
	if len(n) != 1 || n[0].Title != "Alice" || n[0].Body != "Hi" || n[0].CollapseID != "tag1" {
		t.Errorf("kept %+v", n)
	}
	for name, tt := range map[string]struct {
		bearer, body string
		status       int
		contains     string
	}{
		"no token":          {"", fcmBody("tok1", "", "a", "b"), 401, `"status":"UNAUTHENTICATED"`},
		"another token":     {"Bearer ya29.guess", fcmBody("tok1", "", "a", "b"), 401, `"status":"UNAUTHENTICATED"`},
		"not JSON":          {bearer, `{`, 400, `"status":"INVALID_ARGUMENT"`},
		"a number as data":  {bearer, `{"message":{"token":"t","data":{"a":1}}}`, 400, `"status":"INVALID_ARGUMENT"`},
		"nobody":            {bearer, `{"message":{"notification":{"title":"a"}}}`, 400, `Recipient of the message is not set`},
		"two recipients":    {bearer, `{"message":{"token":"a","topic":"b"}}`, 400, `"errorCode":"INVALID_ARGUMENT"`},
		"too big":           {bearer, fcmBody("tok1", "", "a", strings.Repeat("x", 4097)), 400, `too big`},
		"a reserved key":    {bearer, `{"message":{"token":"t","data":{"from":"x"}}}`, 400, `Invalid data payload key: from`},
		"only to be tested": {bearer, `{"validate_only":true,"message":{"token":"tok2"}}`, 200, `"name"`},
	} {
		t.Run(name, func(t *testing.T) {
			if a := r.do(t, r.message(t, tt.bearer, tt.body)); a.status != tt.status || !strings.Contains(a.body, tt.contains) {
				t.Errorf("got %d %s, want %d with %s", a.status, a.body, tt.status, tt.contains)
			}
		})
	}
	req := r.message(t, bearer, fcmBody("tok1", "", "a", "b"))
	req.URL.Path = "/v1/projects/another/messages:send"
	if a := r.do(t, req); a.status != http.StatusForbidden {
		t.Errorf("another project: %d %s", a.status, a.body)
	}
	if s := r.Stats(); s.FCM.Accepted != 1 || s.OAuth.Accepted != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestTokenEndpointRefuses(t *testing.T) {
	r := start(t, sandbox.Config{})
	for name, tt := range map[string]struct {
		change func(jwt.MapClaims)
		code   string
	}{
		"another account":  {func(c jwt.MapClaims) { c["iss"] = "x@y" }, "invalid_grant"},
		"another audience": {func(c jwt.MapClaims) { c["aud"] = "https://oauth2.googleapis.com/token" }, "invalid_grant"},
		"ended":            {func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-5 * time.Minute).Unix() }, "invalid_grant"},
		"endless":          {func(c jwt.MapClaims) { delete(c, "exp") }, "invalid_grant"},
		"for a day":        {func(c jwt.MapClaims) { c["exp"] = time.Now().Add(24 * time.Hour).Unix() }, "invalid_grant"},
		"another scope":    {func(c jwt.MapClaims) { c["scope"] = "openid" }, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := r.accessToken(t, tt.change); a.status != http.StatusBadRequest || !strings.Contains(a.body, `"error":"`+tt.code+`"`) {
				t.Errorf("got %d %s, want 400 %s", a.status, a.body, tt.code)
			}
		})
	}
	a := r.do(t, request(t, http.MethodPost, r.creds.FCMURL+"/token", "grant_type=password", "content-type", "application/x-www-form-urlencoded"))
	if a.status != http.StatusBadRequest || !strings.Contains(a.body, "unsupported_grant_type") {
		t.Errorf("got %d %s", a.status, a.body)
	}
}
