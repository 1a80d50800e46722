package app_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbell/internal/app/apptest"
	"chatbell/internal/polltest"
)

// amity is an installation of Amity as its documents describe it, and the apps of its
// users: it knows nothing of chatbell but its address, and the secrets of a network there.
type amity struct {
	t       *testing.T
	address string
	network string
	// apiKey is in the apps, secret signs the webhook's calls, admin is the console's.
	apiKey, secret, admin string
}

// secretsOf are those of a network, as [withAmity] configures them.
func secretsOf(network string) (apiKey, secret string) {
	return "amity-key-of-" + network + "-0123456789abcdef", "amity-secret-of-" + network + "-0123456789"
}

// withAmity gives each network of a configuration a client key and a webhook at Amity.
func withAmity(configuration string) string {
	var out strings.Builder
	network := ""
	for line := range strings.Lines(configuration) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "- id: "); ok {
			network = strings.Trim(strings.TrimSpace(name), `"`)
		}
		if strings.TrimSpace(line) == "keys:" {
			apiKey, secret := secretsOf(network)
			fmt.Fprintf(&out, "    amity: [{secret: %s}]\n    keys:\n      - {id: phones-%s, secret: %s, scope: client}\n", secret, network, apiKey)
			continue
		}
		out.WriteString(line)
	}
	return out.String()
}

func newAmity(t *testing.T, w *apptest.World, network, admin string) *amity {
	t.Helper()
	a := &amity{t: t, address: "http://" + w.API(), network: network, admin: admin}
	a.apiKey, a.secret = secretsOf(network)
	return a
}

// failure is an error as Amity's clients read it.
type failure struct {
	Status  string
	Code    int
	Message string
	Data    struct{ Detail []string }
}

// webhookBudget is how long Amity waits for the answer of a webhook.
const webhookBudget = 1500 * time.Millisecond

// send sends a request and reads the answer: into out where it is 200, else as a failure.
func (a *amity) send(method, path string, body any, out any, header ...string) *failure {
	a.t.Helper()
	var data []byte
	switch body := body.(type) {
	case nil:
	case string:
		data = []byte(body)
	default:
		var err error
		if data, err = json.Marshal(body); err != nil {
			a.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(a.t.Context(), polltest.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.address+path, bytes.NewReader(data))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	if resp.StatusCode == http.StatusOK {
		if out != nil {
			if err := json.Unmarshal(answer, out); err != nil {
				a.t.Fatalf("%s %s: %s: %v", method, path, answer, err)
			}
		}
		return nil
	}
	bad := new(failure)
	if err := json.Unmarshal(answer, bad); err != nil || bad.Status != "error" || bad.Code < 400000 || bad.Message == "" {
		a.t.Fatalf("%s %s: %d %s is no error of Amity's", method, path, resp.StatusCode, answer)
	}
	return bad
}

// ok sends a request that has to succeed.
func (a *amity) ok(method, path string, body any, out any, header ...string) {
	a.t.Helper()
	if bad := a.send(method, path, body, out, header...); bad != nil {
		a.t.Fatalf("%s %s %v: %+v", method, path, body, *bad)
	}
}

// registration is the body of POST /v1/notification.
type registration struct {
	DeviceID string  `json:"deviceId"`
	Platform string  `json:"platform"`
	Token    string  `json:"token"`
	UserID   string  `json:"userId"`
	Provider *string `json:"provider"`
	Locale   string  `json:"locale,omitempty"` // what chatbell takes besides
}

func (a *amity) register(r registration) {
	a.t.Helper()
	var out struct{ Success bool }
	a.ok("POST", "/v1/notification", r, &out, "X-API-Key", a.apiKey)
	if !out.Success {
		a.t.Errorf("registering %s had no success", r.DeviceID)
	}
}

// unregister is the Flutter SDK's, with a body; unregisterByQuery is as documented.
func (a *amity) unregister(device, user string) {
	a.t.Helper()
	a.ok("DELETE", "/v1/notification", map[string]string{"userId": user, "deviceId": device}, nil, "X-API-Key", a.apiKey)
}

func (a *amity) unregisterByQuery(device string) {
	a.t.Helper()
	a.ok("DELETE", "/v1/notification?deviceId="+url.QueryEscape(device), nil, nil, "X-API-Key", a.apiKey)
}

// session is the access token of a user.
func (a *amity) session(user string) string {
	a.t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": user, "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = "phones-" + a.network
	text, err := token.SignedString([]byte(a.apiKey))
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

// save saves a setting in a user's app; saveNetwork saves one in the console.
func (a *amity) save(user string, body any) {
	a.t.Helper()
	var out struct{ Status string }
	a.ok("POST", "/api/v3/notification/setting", body, &out, "Authorization", "Bearer "+a.session(user))
	if out.Status != "success" {
		a.t.Errorf("saving had the status %q", out.Status)
	}
}

func (a *amity) saveNetwork(body any) {
	a.t.Helper()
	a.ok("POST", "/admin/v1/notification/setting", body, nil, "Authorization", "Bearer "+a.admin)
}

// notifications is a setting as it is read.
type notifications struct {
	IsPushNotifiable bool
	NotifiableEvents []struct {
		Name, ModuleName                   string
		IsPushNotifiable, IsNetworkEnabled bool
	}
}

func (a *amity) settings(user, query string) (out notifications) {
	a.t.Helper()
	a.ok("GET", "/api/v3/notification/setting?"+query, nil, &out, "Authorization", "Bearer "+a.session(user))
	return out
}

// hook calls the webhook as Amity does, and again when it is asked to. It gives the ids of
// the events and how long the answer took.
func (a *amity) hook(body string) (ids []string, took time.Duration) {
	a.t.Helper()
	mac := hmac.New(sha256.New, []byte(a.secret))
	mac.Write([]byte(body))
	signature := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	var out struct{ Events []struct{ ID string } }
	polltest.Until(a.t, "the webhook's call is taken", func() bool {
		start := time.Now()
		bad := a.send("POST", "/v1/hooks/amity?network="+a.network, body, &out, "X-Amity-Signature", signature)
		took = time.Since(start)
		if bad != nil && bad.Code != 500000 && bad.Code != 400311 {
			a.t.Fatalf("%s: %+v", body, *bad)
		}
		return bad == nil
	})
	for _, e := range out.Events {
		ids = append(ids, e.ID)
	}
	return ids, took
}
