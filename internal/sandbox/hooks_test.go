package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/sandbox"
	"chatbell/pipeline/webhooks"
)

func caller(t *testing.T) *webhooks.Client {
	t.Helper()
	c, err := webhooks.New(webhooks.Config{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestHooks(t *testing.T) {
	r := start(t, sandbox.Config{HookSecrets: map[string]string{"own": "as it is written"}, CountIDs: true})
	c := caller(t)
	ep := func(name, secret string, signatures ...string) chatbell.Endpoint {
		return chatbell.Endpoint{ID: "main", URL: r.creds.HookURL(name), Secret: secret, Signatures: signatures}
	}
	r.fail(t, `{"provider":"webhook","target":"flaky","status":503,"retry_after":"1","count":1}`)
	for name, tt := range map[string]struct {
		ep              chatbell.Endpoint
		body            string
		status          int
		standard, amity sandbox.SignatureState
	}{
		"standard":            {ep("acme", r.creds.HookSecret), `{"n":1}`, 200, "valid", "missing"},
		"both":                {ep("acme", r.creds.HookSecret, "standard", "amity"), `{"n":2}`, 200, "valid", "valid"},
		"amity":               {ep("acme", r.creds.HookSecret, "amity"), `{"n":3}`, 200, "missing", "valid"},
		"another's secret":    {ep("acme", "whsec_c29tZWJvZHktZWxzZQ==", "standard", "amity"), `{"n":4}`, 401, "invalid", "invalid"},
		"a secret of its own": {ep("own", "as it is written", "standard", "amity"), `{"n":5}`, 200, "valid", "valid"},
		"not JSON":            {ep("acme", r.creds.HookSecret), `{`, 401, "valid", "missing"},
		"fails on request":    {ep("flaky", r.creds.HookSecret), `{"n":6}`, 503, "valid", "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			status, err := c.Deliver(t.Context(), tt.ep, webhooks.Call{ID: "id_1", Attempt: 2, Body: []byte(tt.body)})
			if status != tt.status || (err == nil) != (status == 200) {
				t.Errorf("answer %d, %v, want %d", status, err, tt.status)
			}
			all := r.Webhooks(sandbox.Query{})
			got := all[len(all)-1]
			if got.Status != tt.status || got.Standard != tt.standard || got.Amity != tt.amity || got.Attempt != 2 {
				t.Errorf("kept %+v", got)
			}
			if !json.Valid(got.Body) {
				t.Errorf("the body %q cannot be read back", got.Body)
			}
		})
	}
	if a := r.do(t, request(t, http.MethodPost, r.creds.HookURL("acme"), `{}`)); a.status != http.StatusUnauthorized {
		t.Errorf("unsigned: %d", a.status)
	}
	signer, err := webhooks.NewSigner([]string{"standard", "amity"}, r.creds.HookSecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []string{"webhook-signature", "x-amity-signature"} { // one wrong signature of two
		req := request(t, http.MethodPost, r.creds.HookURL("acme"), `{}`)
		if err := signer.Sign(req.Header, "id_1", time.Now(), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		req.Header.Set(header, "v1,c29tZXRoaW5nIGVsc2U=")
		if a := r.do(t, req); a.status != http.StatusUnauthorized {
			t.Errorf("a wrong %s: %d", header, a.status)
		}
	}
	var got struct{ Webhooks []sandbox.Webhook }
	get(t, r, "/webhooks?hook=flaky", &got)
	if len(got.Webhooks) != 1 || string(got.Webhooks[0].Body) != `{"n":6}` {
		t.Errorf("read back %+v", got.Webhooks)
	}
	if s := r.Stats().Webhook; s.Accepted != 4 || s.Refused["bad_signature"] != 3 || s.Refused["no_signature"] != 1 || s.Refused["failure"] != 1 {
		t.Errorf("stats %+v", s)
	}
}
