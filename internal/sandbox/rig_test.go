package sandbox_test

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"chatbell/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a sandbox with a client that trusts it.
type rig struct {
	*sandbox.Server
	creds  sandbox.Credentials
	client *http.Client
}

func start(t testing.TB, cfg sandbox.Config) *rig {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := sandbox.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(s.Credentials().CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{s, s.Credentials(), &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

func parseKey(t testing.TB, data []byte) any {
	t.Helper()
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatal("no PEM block")
		return nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// providerToken is an APNs JWT, changed as the test wants.
func (r *rig) providerToken(t testing.TB, change func(*jwt.Token, jwt.MapClaims)) string {
	t.Helper()
	data, err := os.ReadFile(r.creds.APNsKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{"iss": r.creds.APNsTeamID, "iat": time.Now().Unix()}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["kid"] = r.creds.APNsKeyID
	var key any = parseKey(t, data).(*ecdsa.PrivateKey)
	if change != nil {
		change(token, claims)
	}
	if token.Method == jwt.SigningMethodHS256 {
		key = []byte("guess")
	}
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// answer is what a client sees.
type answer struct {
	status int
	proto  string
	header http.Header
	body   string
}

func (r *rig) do(t testing.TB, req *http.Request) answer {
	t.Helper()
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Proto, resp.Header, string(body)}
}

func request(t testing.TB, method, url, body string, header ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

const (
	phone = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	other = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

func alert(title, body string) string {
	out, _ := json.Marshal(map[string]any{"aps": map[string]any{"alert": map[string]string{"title": title, "body": body}}})
	return string(out)
}

// push is a good APNs request.
func (r *rig) push(t testing.TB, device, payload string, header ...string) *http.Request {
	t.Helper()
	header = append([]string{"authorization", "bearer " + r.providerToken(t, nil), "apns-topic", "com.acme.chat", "apns-push-type", "alert"}, header...)
	return request(t, http.MethodPost, r.creds.APNsURL+"/3/device/"+device, payload, header...)
}

// accessToken goes through the token endpoint as Google's libraries do.
func (r *rig) accessToken(t testing.TB, change func(jwt.MapClaims)) answer {
	t.Helper()
	data, err := os.ReadFile(r.creds.FCMFile)
	if err != nil {
		t.Fatal(err)
	}
	var account struct {
		PrivateKey  string `json:"private_key"`
		ClientEmail string `json:"client_email"`
		TokenURI    string `json:"token_uri"`
	}
	if err := json.Unmarshal(data, &account); err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{
		"iss": account.ClientEmail, "aud": account.TokenURI, "scope": "https://www.googleapis.com/auth/firebase.messaging",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	if change != nil {
		change(claims)
	}
	s, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(parseKey(t, []byte(account.PrivateKey)).(*rsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {s}}
	return r.do(t, request(t, http.MethodPost, account.TokenURI, form.Encode(), "content-type", "application/x-www-form-urlencoded"))
}

func (r *rig) bearer(t testing.TB) string {
	t.Helper()
	a := r.accessToken(t, nil)
	var token struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		Type        string `json:"token_type"`
	}
	if err := json.Unmarshal([]byte(a.body), &token); err != nil || a.status != http.StatusOK || token.ExpiresIn < 3000 || token.Type != "Bearer" {
		t.Fatalf("token endpoint: %d %s", a.status, a.body)
	}
	return "Bearer " + token.AccessToken
}

func (r *rig) message(t testing.TB, bearer, body string) *http.Request {
	t.Helper()
	return request(t, http.MethodPost, r.creds.FCMURL+"/v1/projects/"+r.creds.FCMProject+"/messages:send", body, "authorization", bearer)
}

func fcmBody(token, tag, title, body string) string {
	return fmt.Sprintf(`{"message":{"notification":{"title":%q,"body":%q},"android":{"notification":{"tag":%q}},"token":%q}}`, title, body, tag, token)
}

func get(t testing.TB, r *rig, path string, into any) {
	t.Helper()
	a := r.do(t, request(t, http.MethodGet, r.creds.URL+path, ""))
	if a.status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		t.Fatalf("GET %s: %v in %s", path, err, a.body)
	}
}

func (r *rig) fail(t testing.TB, rules string) {
	t.Helper()
	if a := r.do(t, request(t, http.MethodPost, r.creds.URL+"/failures", rules)); a.status != http.StatusCreated {
		t.Fatalf("POST /failures: %d %s", a.status, a.body)
	}
}

func want(t testing.TB, a answer, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("got %d %s, want %d %s", a.status, a.body, status, body)
	}
}
