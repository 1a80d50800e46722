package webhooks_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"chatbell/pipeline/webhooks"
)

func signed(t *testing.T, signatures []string, secrets ...string) http.Header {
	t.Helper()
	s, err := webhooks.NewSigner(signatures, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	if err := s.Sign(h, "msg_1", time.Now(), []byte("body")); err != nil {
		t.Fatal(err)
	}
	return h
}

func verifies(t *testing.T, h http.Header, w *standardwebhooks.Webhook, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Verify([]byte("body"), h); err != nil {
		t.Error(err)
	}
}

func TestSignerKeys(t *testing.T) {
	tests := map[string]struct {
		secret     string
		raw        []byte // a key that a receiver may hold
		signatures int
	}{
		"prefixed":                     {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", nil, 1},
		"as written":                   {"not base64!", []byte("not base64!"), 1},
		"as written, and it is base64": {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", []byte("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := signed(t, nil, tt.secret)
			if n := len(strings.Fields(h.Get("webhook-signature"))); n != tt.signatures {
				t.Errorf("%d signatures, want %d", n, tt.signatures)
			}
			if tt.raw != nil {
				w, err := standardwebhooks.NewWebhookRaw(tt.raw)
				verifies(t, h, w, err)
			}
			if tt.raw == nil || tt.signatures == 2 {
				w, err := standardwebhooks.NewWebhook(tt.secret)
				verifies(t, h, w, err)
			}
			if h.Get("x-amity-signature") != "" {
				t.Error("an Amity signature that nobody asked for")
			}
		})
	}
}

func TestSignerAmity(t *testing.T) {
	h := signed(t, []string{"amity"}, "whsec_abcd")
	mac := hmac.New(sha256.New, []byte("whsec_abcd")) // as written
	mac.Write([]byte("body"))
	if got, want := h.Get("x-amity-signature"), base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("x-amity-signature = %q, want %q", got, want)
	}
	if h.Get("webhook-id") != "msg_1" || h.Get("webhook-timestamp") == "" || h.Get("webhook-signature") != "" {
		t.Errorf("headers %v, want id and timestamp without the standard signature", h)
	}
}

func TestSignerRotation(t *testing.T) {
	const older, newer = "whsec_b2xkZXItc2VjcmV0LW9sZGVyLXNlY3JldA==", "whsec_bmV3ZXItc2VjcmV0LW5ld2VyLXNlY3JldA=="
	h := signed(t, []string{"standard", "amity"}, newer, older)
	for _, s := range []string{older, newer} {
		w, err := standardwebhooks.NewWebhook(s)
		verifies(t, h, w, err)
	}
	if !webhooks.VerifyAmity(newer, h.Get("x-amity-signature"), []byte("body")) {
		t.Error("the Amity signature is not the newest secret's")
	}
	w, err := standardwebhooks.NewWebhook("whsec_c29tZWJvZHktZWxzZQ==")
	if err != nil {
		t.Fatal(err)
	}
	if w.Verify([]byte("body"), h) == nil {
		t.Error("a stranger's secret verifies")
	}
}

// What is taken works in the libraries of Standard Webhooks; what is refused is not
// quoted.
func TestCheckSecret(t *testing.T) {
	whsec := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	standard, amity := []string{"standard"}, []string{"amity"}
	for _, c := range []struct {
		signatures []string
		secret     string
		want       string // empty: it is taken
	}{
		{nil, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""},
		{standard, whsec(24), ""},
		{standard, whsec(64), ""},
		{[]string{"standard", "amity"}, whsec(32), ""},
		{amity, "anything of 16 c", ""},
		{standard, "", "must be whsec_"},
		{nil, "anything else, but long", "must be whsec_"},
		{[]string{"amity", "standard"}, "anything else, but long", "must be whsec_"},
		{standard, "whsec_", "must have 24 to 64 bytes after whsec_, has 0"},
		{standard, "whsec_***", "must have base64"},
		{standard, "whsec_" + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 25)), "must have base64"},
		{standard, whsec(23), "has 23"},
		{standard, whsec(65), "has 65"},
		{amity, "only fifteen...", "at least 16"},
		{amity, "", "at least 16"},
	} {
		err := webhooks.CheckSecret(c.signatures, c.secret)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("CheckSecret(%q, %q) = %v, want %q", c.signatures, c.secret, err, c.want)
		}
		if err != nil && len(c.secret) > 10 && strings.Contains(err.Error(), c.secret) {
			t.Errorf("%q quotes the secret", err)
		}
		if err == nil && !slices.Equal(c.signatures, amity) {
			if _, err := standardwebhooks.NewWebhook(c.secret); err != nil {
				t.Errorf("%q is taken, but receivers cannot read it: %v", c.secret, err)
			}
		}
	}
	if _, err := webhooks.NewSigner([]string{"md5"}, "x"); err == nil {
		t.Error("an unknown signature is accepted")
	}
	if _, err := webhooks.NewSigner(nil); err == nil {
		t.Error("no secret is accepted")
	}
}
