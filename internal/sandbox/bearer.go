package sandbox

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// known remembers what was accepted, so that a signature is checked once and not for
// every push. It forgets everything when it is full.
type known struct {
	last atomic.Pointer[entry] // most clients use one token at a time
	mu   sync.Mutex
	all  map[string]time.Time
}

type entry struct {
	token string
	until time.Time
}

// maxKnown bounds the tokens that are remembered: more than any test has clients.
const maxKnown = 256

func (k *known) has(token string, now time.Time) bool {
	if e := k.last.Load(); e != nil && e.token == token {
		return now.Before(e.until)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	until, ok := k.all[token]
	if !ok || !now.Before(until) {
		return false
	}
	k.last.Store(&entry{token, until})
	return true
}

func (k *known) add(token string, until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil || len(k.all) >= maxKnown {
		k.all = map[string]time.Time{}
	}
	k.all[token] = until
	k.last.Store(&entry{token, until})
}

// apnsAuth checks provider tokens as Apple does.
type apnsAuth struct {
	key    *ecdsa.PublicKey
	parser *jwt.Parser
	known  known
}

func newAPNsAuth(key *ecdsa.PublicKey) *apnsAuth {
	return &apnsAuth{key: key, parser: jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation())}
}

const (
	// providerTokenAge is how old a provider token may be.
	providerTokenAge = time.Hour
	// clockSkew is how far a client's clock may be ahead.
	clockSkew = time.Minute
)

var errToken = errors.New("refused")

// check returns Apple's reason for refusing a header, or an empty one.
func (a *apnsAuth) check(header string, now time.Time) string {
	token, ok := cutScheme(header)
	if !ok || token == "" {
		return "MissingProviderToken"
	}
	if a.known.has(token, now) {
		return ""
	}
	claims := jwt.MapClaims{}
	_, err := a.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if t.Header["kid"] != apnsKeyID {
			return nil, errToken
		}
		return a.key, nil
	})
	if err != nil || claims["iss"] != apnsTeamID {
		return "InvalidProviderToken"
	}
	issued, err := claims.GetIssuedAt()
	if err != nil || issued == nil || issued.After(now.Add(clockSkew)) {
		return "InvalidProviderToken"
	}
	until := issued.Add(providerTokenAge)
	if !now.Before(until) {
		return "ExpiredProviderToken"
	}
	a.known.add(token, until)
	return ""
}

// cutScheme takes "bearer" in any case off an Authorization header.
func cutScheme(header string) (string, bool) {
	const scheme = "bearer "
	if len(header) < len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return "", false
	}
	return header[len(scheme):], true
}

// fcmAuth is Google's token endpoint, and checks the tokens that it gave out.
type fcmAuth struct {
	key    *rsa.PublicKey
	parser *jwt.Parser
	issued known
}

func newFCMAuth(key *rsa.PublicKey, audience string) *fcmAuth {
	return &fcmAuth{key: key, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(audience), jwt.WithIssuer(fcmEmail),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockSkew),
	)}
}

func (a *fcmAuth) check(header string, now time.Time) bool {
	token, ok := cutScheme(header)
	return ok && a.issued.has(token, now)
}

// accessTokenAge is how long Google's access tokens last.
const accessTokenAge = time.Hour

// grant checks an assertion and gives out an access token, or says what is wrong in
// Google's words.
func (a *fcmAuth) grant(grantType, assertion string, now time.Time) (token, errCode, description string) {
	if grantType != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return "", "unsupported_grant_type", "Invalid grant_type: " + strings.ToValidUTF8(grantType, "")
	}
	var claims struct {
		jwt.RegisteredClaims
		Scope string `json:"scope"`
	}
	_, err := a.parser.ParseWithClaims(assertion, &claims, func(*jwt.Token) (any, error) { return a.key, nil })
	switch {
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenMalformed):
		return "", "invalid_grant", "Invalid JWT Signature."
	case err != nil:
		return "", "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes), for this audience and from this account."
	case claims.ExpiresAt.Sub(now) > time.Hour+clockSkew:
		return "", "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
	case !hasScope(claims.Scope):
		return "", "invalid_scope", "Invalid OAuth scope or ID token audience provided."
	}
	token = "ya29.sandbox-" + rand.Text()
	a.issued.add(token, now.Add(accessTokenAge))
	return token, "", ""
}

func hasScope(scopes string) bool {
	for text := range strings.FieldsSeq(scopes) {
		if text == "https://www.googleapis.com/auth/firebase.messaging" || text == "https://www.googleapis.com/auth/cloud-platform" {
			return true
		}
	}
	return false
}

// maxForm bounds the form at the token endpoint: one assertion has about 1 KB.
const maxForm = 16 << 10

func (s *Server) oauth(w http.ResponseWriter, r *http.Request) {
	svc := &s.stats.oauth
	svc.requests.Add(1)
	now := time.Now()
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		svc.refuse("invalid_request")
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "Could not read the form."})
		return
	}
	if one := s.failures.find(ProviderOAuth, ""); one.suffer(r.Context(), func() {}) {
		svc.refuse(cmp.Or(one.Reason, "failure on request"))
		retryAfter(w, one)
		writeJSON(w, cmp.Or(one.Status, http.StatusServiceUnavailable), map[string]string{"error": cmp.Or(one.Reason, "backend_error"), "error_description": "Failure on request."})
		return
	}
	token, code, description := s.fcmAuth.grant(r.PostFormValue("grant_type"), r.PostFormValue("assertion"), now)
	if code != "" {
		svc.refuse(code)
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
		return
	}
	svc.accept(now)
	writeJSON(w, http.StatusOK, map[string]any{"access_token": token, "expires_in": int(accessTokenAge/time.Second) - 1, "token_type": "Bearer"})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header()["Content-Type"] = []string{"application/json; charset=UTF-8"}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func retryAfter(w http.ResponseWriter, f *rule) {
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
}
