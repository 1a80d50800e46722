package fcm_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/fcm"
	"chatbell/pipeline/push/pushtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// privateKey is slow to make and secret to nobody, so one serves all tests.
var privateKey = sync.OnceValue(func() string {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
})

// credentials are a service account's key file.
func credentials(t testing.TB, tokenURI, email string) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "acme-chat", "private_key_id": "k1", "private_key": privateKey(),
		"client_email": email, "client_id": "1", "token_uri": tokenURI,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tokenEndpoint hands out access tokens, and counts.
type tokenEndpoint struct {
	fetches atomic.Int64
	// say, if set, answers instead.
	say func(w http.ResponseWriter, r *http.Request)
}

func (e *tokenEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := e.fetches.Add(1)
	if e.say != nil {
		e.say(w, r)
		return
	}
	parts := strings.Split(r.PostFormValue("assertion"), ".")
	if len(parts) != 3 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct{ Iss, Scope string }
	if err != nil || json.Unmarshal(claims, &c) != nil || !strings.Contains(c.Scope, "firebase.messaging") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":"access-of-%s-%d","token_type":"Bearer","expires_in":3600}`, c.Iss, n)
}

const sendPath = "/v1/projects/acme-chat/messages:send"

func isSend(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == sendPath
}

func accepted(id string) pushtest.Answer {
	return pushtest.Answer{Status: 200, Body: fmt.Sprintf(`{"name":%q}`, id)}
}

func token(i int) string { return fmt.Sprintf("cAbc%04d:APA91b-%s_x", i, strings.Repeat("q", 140)) }

// refusal is an error as Google writes it.
func refusal(status int, google, code, message string, want chatbell.SendError) pushtest.Refusal {
	details := "[]"
	want.Status, want.ProviderReason = status, google
	if code != "" {
		details = fmt.Sprintf(`[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":%q}]`, code)
		want.ProviderReason = code
	}
	body := fmt.Sprintf(`{"error":{"code":%d,"message":%q,"status":%q,"details":%s}}`, status, message, google, details)
	return pushtest.Refusal{Name: google + " " + code + " " + message, Want: want, Answer: pushtest.Answer{Status: status, Body: body}}
}

func refusals() []pushtest.Refusal {
	invalid := chatbell.SendError{Reason: chatbell.InvalidToken}
	auth := chatbell.SendError{Reason: chatbell.Auth}
	limited := chatbell.SendError{Reason: chatbell.RateLimited, Retry: true}
	unavailable := chatbell.SendError{Reason: chatbell.Unavailable, Retry: true}
	rejected := chatbell.SendError{Reason: chatbell.Rejected}
	echo := "not a valid FCM registration token: " + token(0)
	quota := refusal(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "", limited)
	quota.Answer.Header, quota.Want.RetryAfter = map[string]string{"Retry-After": "61"}, 61*time.Second
	away := refusal(503, "UNAVAILABLE", "UNAVAILABLE", "", unavailable)
	away.Answer.Header, away.Want.RetryAfter = map[string]string{"Retry-After": "2"}, 2*time.Second
	return []pushtest.Refusal{
		quota, away,
		refusal(404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found.", chatbell.SendError{Reason: chatbell.Unregistered}),
		refusal(404, "NOT_FOUND", "", "Requested entity was not found.", rejected), // the project, not the token
		refusal(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "The registration token is "+echo, invalid),
		refusal(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Invalid value at 'message.android'", rejected),
		refusal(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Android message is too big", chatbell.SendError{Reason: chatbell.PayloadTooLarge}),
		refusal(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "SenderId mismatch", invalid),
		refusal(403, "PERMISSION_DENIED", "", "Permission denied on project", auth),
		refusal(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "", auth),
		refusal(401, "UNAUTHENTICATED", "APNS_AUTH_ERROR", "", auth),
		refusal(401, "UNAUTHENTICATED", "", "Request had invalid authentication credentials.", auth), // a young token
		refusal(429, "RESOURCE_EXHAUSTED", "", "Quota exceeded", limited),
		refusal(500, "INTERNAL", "INTERNAL", "", unavailable),
		refusal(500, "INTERNAL", "", "Internal error encountered.", unavailable),
		refusal(504, "DEADLINE_EXCEEDED", "", "", chatbell.SendError{Reason: chatbell.Timeout, Retry: true, FateUnknown: true}),
		refusal(400, "FAILED_PRECONDITION", "SOMETHING_NEW", echo, rejected),
		{
			Name: "a violation of the token's field",
			Answer: pushtest.Answer{Status: 400, Body: `{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT","details":[` +
				`{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"INVALID_ARGUMENT"},` +
				`{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"message.token","description":"bad"}]}]}}`},
			Want: chatbell.SendError{Reason: chatbell.InvalidToken, Status: 400, ProviderReason: "INVALID_ARGUMENT"},
		},
		{
			Name:   "an acceptance without a name",
			Answer: pushtest.Answer{Status: 200, Body: `{}`},
			Want:   chatbell.SendError{Reason: chatbell.Rejected, Status: 200},
		},
		{
			Name:   "a status that is the token",
			Answer: pushtest.Answer{Status: 400, Body: fmt.Sprintf(`{"error":{"status":%q}}`, token(0))},
			Want:   chatbell.SendError{Reason: chatbell.Rejected, Status: 400, ProviderReason: "unrecognised"},
		},
	}
}

func TestNotifier(t *testing.T) {
	pushtest.Run(t, pushtest.Harness{
		New: func(t *testing.T, c pushtest.Conditions) pushtest.Notifier {
			email := "push@acme-chat.example"
			if c.Second {
				email = "push@other.example"
			}
			tokens := httptest.NewServer(&tokenEndpoint{})
			t.Cleanup(tokens.Close)
			n, err := fcm.New(fcm.Config{
				App: "com.acme.chat", CredentialsJSON: credentials(t, tokens.URL, email), Endpoint: c.URL,
				RootCAs: c.Roots, Timeout: c.Timeout, Connections: c.Connections,
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		IsSend: isSend, Token: token, Read: read, Accepted: accepted, Refusals: refusals(),
		Secrets: []string{"PRIVATE KEY", "access-of", "eyJ"}, // every JWT begins with eyJ
	})
}

// read takes a send apart.
func read(t *testing.T, r pushtest.Request) pushtest.Sent {
	t.Helper()
	var p struct {
		Message struct {
			Token        string
			Notification struct{ Title, Body string }
			Android      struct{ Notification struct{ Tag string } }
			APNS         struct{ Headers map[string]string }
		}
	}
	if err := json.Unmarshal(r.Body, &p); err != nil {
		t.Errorf("request: %v: %s", err, r.Body)
	}
	m := &p.Message
	if got := m.APNS.Headers["apns-collapse-id"]; got != m.Android.Notification.Tag {
		t.Errorf("apns-collapse-id %q, tag %q", got, m.Android.Notification.Tag)
	}
	credential := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if i := strings.LastIndexByte(credential, '-'); i > 0 {
		credential = credential[:i]
	}
	return pushtest.Sent{
		Token: m.Token, Title: m.Notification.Title, Body: m.Notification.Body,
		CollapseID: m.Android.Notification.Tag, Credential: credential, Size: len(r.Body),
	}
}

var _ push.Notifier = (*fcm.Notifier)(nil)
