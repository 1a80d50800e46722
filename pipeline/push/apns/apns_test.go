package apns_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/apns"
	"chatbell/pipeline/push/pushtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// key makes a signing key as Apple hands them out.
func key(t testing.TB) []byte {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func token(i int) string { return fmt.Sprintf("%064x", 0xabcdef0000+i) }

func refusal(status int, word string, want chatbell.SendError) pushtest.Refusal {
	want.Status, want.ProviderReason = status, word
	return pushtest.Refusal{
		Name: word, Want: want,
		Answer: pushtest.Answer{Status: status, Body: fmt.Sprintf(`{"reason":%q}`, word)},
	}
}

func TestNotifier(t *testing.T) {
	pemKey := key(t)
	invalid := chatbell.SendError{Reason: chatbell.InvalidToken}
	auth := chatbell.SendError{Reason: chatbell.Auth}
	limited := chatbell.SendError{Reason: chatbell.RateLimited, Retry: true}
	unavailable := chatbell.SendError{Reason: chatbell.Unavailable, Retry: true}
	rejected := chatbell.SendError{Reason: chatbell.Rejected}
	since := time.UnixMilli(1732098765432)
	refusals := []pushtest.Refusal{
		refusal(400, "BadCollapseId", rejected), refusal(400, "BadDeviceToken", invalid),
		refusal(400, "BadExpirationDate", rejected), refusal(400, "BadMessageId", rejected),
		refusal(400, "BadPriority", rejected), refusal(400, "BadTopic", auth),
		refusal(400, "DeviceTokenNotForTopic", invalid), refusal(400, "DuplicateHeaders", rejected),
		refusal(400, "IdleTimeout", unavailable), refusal(400, "InvalidPushType", rejected),
		refusal(400, "MissingDeviceToken", invalid), refusal(400, "MissingTopic", auth),
		refusal(400, "PayloadEmpty", rejected), refusal(400, "TopicDisallowed", auth),
		refusal(403, "BadCertificate", auth), refusal(403, "BadCertificateEnvironment", auth),
		refusal(403, "ExpiredProviderToken", chatbell.SendError{Reason: chatbell.Auth, Retry: true, RetryAfter: time.Minute}), refusal(403, "Forbidden", auth),
		refusal(403, "InvalidProviderToken", auth), refusal(403, "MissingProviderToken", auth),
		refusal(403, "UnrelatedKeyIdInToken", auth), refusal(403, "BadEnvironmentKeyIdInToken", auth),
		refusal(404, "BadPath", rejected), refusal(405, "MethodNotAllowed", rejected),
		refusal(410, "ExpiredToken", chatbell.SendError{Reason: chatbell.Unregistered}),
		refusal(410, "SomethingNew", chatbell.SendError{Reason: chatbell.Unregistered}),
		refusal(413, "PayloadTooLarge", chatbell.SendError{Reason: chatbell.PayloadTooLarge}),
		refusal(429, "TooManyProviderTokenUpdates", limited), refusal(429, "TooManyRequests", limited),
		refusal(500, "InternalServerError", unavailable), refusal(503, "ServiceUnavailable", unavailable),
		refusal(503, "Shutdown", unavailable), refusal(418, "SomethingNew", rejected),
		{
			Name:   "Unregistered with its time",
			Answer: pushtest.Answer{Status: 410, Body: `{"reason":"Unregistered","timestamp":1732098765432}`},
			Want:   chatbell.SendError{Reason: chatbell.Unregistered, Status: 410, ProviderReason: "Unregistered", DeadSince: since},
		},
		{
			Name: "TooManyRequests with Retry-After",
			Answer: pushtest.Answer{
				Status: 429, Body: `{"reason":"TooManyRequests"}`, Header: map[string]string{"Retry-After": "17"},
			},
			Want: chatbell.SendError{
				Reason: chatbell.RateLimited, Retry: true, RetryAfter: 17 * time.Second, Status: 429, ProviderReason: "TooManyRequests",
			},
		},
		{
			Name:   "a reason that is the token",
			Answer: pushtest.Answer{Status: 400, Body: fmt.Sprintf(`{"reason":%q}`, token(0))},
			Want:   chatbell.SendError{Reason: chatbell.Rejected, Status: 400, ProviderReason: "unrecognised"},
		},
	}
	pushtest.Run(t, pushtest.Harness{
		New: func(t *testing.T, c pushtest.Conditions) pushtest.Notifier {
			conf := apns.Config{
				BundleID: "com.acme.chat", Endpoint: c.URL, KeyPEM: pemKey, KeyID: "KEY1", TeamID: "TEAM1",
				RootCAs: c.Roots, Timeout: c.Timeout, Connections: c.Connections,
			}
			if c.Second {
				conf.BundleID, conf.KeyPEM, conf.TeamID = "com.other.chat", key(t), "TEAM2"
			}
			n, err := apns.New(conf)
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		IsSend:   isSend,
		Token:    token,
		Read:     read,
		Accepted: accepting().Accepted,
		Refusals: refusals,
		Secrets:  []string{string(pemKey), "eyJ"}, // every JWT begins with eyJ
	})
}

func isSend(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/3/device/") && r.ProtoMajor == 2
}

// read takes a send apart, and checks what Apple requires of every one.
func read(t *testing.T, r pushtest.Request) pushtest.Sent {
	t.Helper()
	var p struct {
		Aps struct {
			Alert struct{ Title, Body string }
		}
	}
	if err := json.Unmarshal(r.Body, &p); err != nil {
		t.Errorf("payload: %v", err)
	}
	if got := r.Header.Get("apns-push-type"); got != "alert" {
		t.Errorf("apns-push-type = %q", got)
	}
	return pushtest.Sent{
		Token: strings.TrimPrefix(r.Path, "/3/device/"), Title: p.Aps.Alert.Title, Body: p.Aps.Alert.Body,
		CollapseID: r.Header.Get("apns-collapse-id"), Credential: r.Header.Get("apns-topic") + claims(t, r), Size: len(r.Body),
	}
}

// claims are those of the request's provider token.
func claims(t *testing.T, r pushtest.Request) string {
	t.Helper()
	parts := strings.Split(strings.TrimPrefix(r.Header.Get("authorization"), "bearer "), ".")
	if len(parts) != 3 {
		t.Fatalf("authorization is no provider token")
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Iss string }
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c.Iss
}

var _ push.Notifier = (*apns.Notifier)(nil)
