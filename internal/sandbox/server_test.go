package sandbox_test

import (
	"bytes"
	"context"
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
		"push type":     {alert("a", "b"), change("apns-push-type", "shout"), 400, "InvalidPushType"},
		"priority":      {alert("a", "b"), change("apns-priority", "11"), 400, "BadPriority"},
		"expiration":    {alert("a", "b"), change("apns-expiration", "soon"), 400, "BadExpirationDate"},
		"collapse id":   {alert("a", "b"), change("apns-collapse-id", strings.Repeat("x", 65)), 400, "BadCollapseId"},
		"id":            {alert("a", "b"), change("apns-id", "7"), 400, "BadMessageId"},
		"empty":         {"", nil, 400, "PayloadEmpty"},
		"no aps":        {`{"a":1}`, nil, 400, "PayloadEmpty"},
		"not JSON":      {`{"aps":`, nil, 400, "PayloadEmpty"},
		"4,097 bytes":   {alert("a", strings.Repeat("x", 4097-len(alert("a", "")))), nil, 413, "PayloadTooLarge"},
		"4,096 bytes":   {alert("a", strings.Repeat("x", 4096-len(alert("a", "")))), nil, 200, ""},
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

func TestCollapsedNotificationsAreShownOnce(t *testing.T) {
	r := start(t, sandbox.Config{CountIDs: true})
	bearer := r.bearer(t)
	for _, req := range []*http.Request{
		r.push(t, phone, alert("first", ""), "apns-collapse-id", "c1"),
		r.push(t, other, alert("elsewhere", ""), "apns-collapse-id", "c1"),
		r.push(t, phone, alert("alone", "")),
		r.push(t, phone, alert("second", ""), "apns-collapse-id", "c1"),
		r.message(t, bearer, fcmBody("tok", "c1", "fcm first", "")),
		r.message(t, bearer, fcmBody("tok", "c1", "fcm second", "")),
		r.message(t, bearer, fcmBody("tok", "", "fcm alone", "")),
		r.message(t, bearer, fcmBody("tok", "", "fcm alone too", "")),
	} {
		if a := r.do(t, req); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	var got struct {
		Notifications []sandbox.Notification
		Next          uint64
	}
	get(t, r, "/notifications?shown=true", &got)
	var titles []string
	for _, n := range got.Notifications {
		titles = append(titles, n.Title)
	}
	if s := strings.Join(titles, ", "); s != "elsewhere, alone, second, fcm second, fcm alone, fcm alone too" {
		t.Errorf("shown: %s", s)
	}
	if all := r.Notifications(sandbox.Query{}); len(all) != 8 {
		t.Errorf("%d kept, want 8", len(all))
	}
	if ids := r.Stats().IDs; ids.Unique != 6 || ids.Repeats != 2 || len(ids.Repeated) != 2 {
		t.Errorf("ids %+v", ids)
	}
}

func TestReadBack(t *testing.T) {
	r := start(t, sandbox.Config{Keep: 4})
	for i := range 6 {
		r.do(t, r.push(t, []string{phone, other}[i%2], alert(fmt.Sprint("n", i), "")))
	}
	var got struct {
		Notifications []sandbox.Notification
		Next          uint64
	}
	get(t, r, "/notifications", &got)
	if len(got.Notifications) != 4 || got.Notifications[0].Title != "n2" || got.Next != 6 {
		t.Errorf("ring of 4 after 6: %+v", got)
	}
	get(t, r, "/notifications?device="+phone+"&since=3", &got)
	if len(got.Notifications) != 1 || got.Notifications[0].Title != "n4" {
		t.Errorf("one device since 3: %+v", got.Notifications)
	}
	get(t, r, "/notifications?limit=1", &got)
	if len(got.Notifications) != 1 || got.Next != 3 {
		t.Errorf("limit 1: %+v", got)
	}
	for _, bad := range []string{"since=x", "limit=0", "limit=x", "shown=perhaps"} {
		if a := r.do(t, request(t, http.MethodGet, r.creds.URL+"/notifications?"+bad, "")); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
	if a := r.do(t, request(t, http.MethodDelete, r.creds.URL+"/notifications", "")); a.status != http.StatusNoContent {
		t.Errorf("reset: %d", a.status)
	}
	if s := r.Stats().APNs; s.Accepted != 0 || s.Requests != 0 || len(r.Notifications(sandbox.Query{})) != 0 {
		t.Errorf("after the reset: %+v", s)
	}
	r.do(t, r.push(t, phone, alert("new", "")))
	if n := r.Notifications(sandbox.Query{}); len(n) != 1 || n[0].Seq != 7 {
		t.Errorf("after the reset: %+v", n)
	}
	for a := range r.Follow(t.Context(), 0) {
		if a.Notification != nil {
			if a.Notification.Seq != 7 {
				t.Errorf("after the reset a follower gets %+v", a.Notification)
			}
			break
		}
		if a.Missed != 6 {
			t.Errorf("after the reset %d were forgotten, want 6", a.Missed)
		}
	}
}

func TestStream(t *testing.T) {
	r := start(t, sandbox.Config{Keep: 2})
	for i := range 3 {
		r.do(t, r.push(t, phone, alert(fmt.Sprint("n", i), "")))
	}
	for _, accept := range []string{"", "text/event-stream"} {
		ctx, cancel := context.WithCancel(t.Context())
		req := request(t, http.MethodGet, r.creds.URL+"/stream", "", "accept", accept).WithContext(ctx)
		resp, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(&sseReader{r: resp.Body})
		next := func() (a sandbox.Arrival) {
			if err := dec.Decode(&a); err != nil {
				t.Fatal(err)
			}
			return a
		}
		if a := next(); a.Missed == 0 {
			t.Errorf("got %+v, want a note of what was forgotten", a)
		}
		next()
		if a := next(); a.Notification == nil {
			t.Errorf("got %+v", a)
		}
		r.do(t, r.push(t, phone, alert("live", "")))
		if a := next(); a.Notification == nil || a.Notification.Title != "live" {
			t.Errorf("got %+v, want what arrived meanwhile", a.Notification)
		}
		cancel()
		_ = resp.Body.Close()
	}
}

// sseReader leaves out what server-sent events write before the data.
type sseReader struct{ r io.Reader }

func (s *sseReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	copy(p, bytes.ReplaceAll(p[:n], []byte("data: "), []byte("      ")))
	return n, err
}
