package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/internal/listen"
)

// Keys knows the credentials. All methods are safe for concurrent use.
type Keys interface {
	// Lookup finds a key by the SHA-256 of its secret.
	Lookup(sum [sha256.Size]byte) (chatbell.Key, bool)
	// ClientSecret is what signs the tokens of a client key's users.
	ClientSecret(keyID string) (chatbell.Key, []byte, bool)
	// IsAdmin reports whether the secret with this SHA-256 is the admin key.
	IsAdmin(sum [sha256.Size]byte) bool
	// Networks lists the networks that the admin key can act for.
	Networks() []chatbell.NetworkID
}

// Access is who may call a route.
type Access int

// The accesses.
const (
	Open   Access = iota // anybody
	Server               // server keys and the admin key
	Users                // and a user, for their own things
	Apps                 // and a client key itself, which is in an app
)

// Caller is who makes a request.
type Caller struct {
	Network chatbell.NetworkID
	// User is set for a user's own token; it reaches that user's things only.
	User chatbell.UserID

	trust listen.Trust
}

const callerKey = "caller"

// CallerOf is who makes the request; nobody on a route with [Open] access.
func CallerOf(c echo.Context) Caller {
	who, _ := c.Get(callerKey).(Caller)
	return who
}

// Why a credential was refused, for metrics. The list is closed.
const (
	RefusedNone    = "none"    // none was sent
	RefusedUnknown = "unknown" // a key that nobody has, or a token that is not valid
	RefusedExpired = "expired" // a token of yesterday
	RefusedScope   = "scope"   // it is right, and may not do this
)

// ErrUserToken refuses a user's token where it reaches for what is not that user's.
var ErrUserToken = denied(RefusedScope, "a user's token reaches that user's own devices and settings only")

// The other refusals.
var (
	errNoCredentials = denied(RefusedNone, Bearer.How)
	errBadKey        = denied(RefusedUnknown, "the key is not known")
	errBadToken      = denied(RefusedUnknown, "the token is not valid: it must be signed with HS256 and a client key's secret, with kid, sub and exp")
	errNoUser        = denied(RefusedUnknown, "the token's sub must be a user id")
	errExpired       = denied(RefusedExpired, "the token has expired")
	errClientKey     = denied(RefusedScope, "a client key signs users' tokens; it may not call this itself. Use a server key")
)

// denied is a problem with a credential, with the error of RFC 6750 §3.1 that says the
// same to a program.
func denied(why, detail string) *Problem {
	const realm = `Bearer realm="chatbell"`
	status := http.StatusUnauthorized
	challenge := realm + `, error="invalid_token"`
	switch why {
	case RefusedNone:
		challenge = realm
	case RefusedScope:
		status = http.StatusForbidden
		challenge = realm + `, error="insufficient_scope"`
	}
	problem := NewProblem(status, "%s", detail)
	problem.refused = why
	problem.challenge = challenge
	return problem
}

// Guard lets nobody pass who has no credential for what they call. It is safe for
// concurrent use.
type Guard struct {
	keys       Keys
	guesses    *listen.Throttle
	refused    func(why string)
	credential Credential
}

// Credential is how the callers of a surface show their key or token.
type Credential struct {
	// Read finds it in a request; empty when there is none.
	Read func(*http.Request) string
	// How tells a caller who sent none: "send a key as …".
	How string
}

// Bearer is how most callers do it.
var Bearer = Credential{Read: bearer, How: "send a key as \"Authorization: Bearer <key>\" or \"X-API-Key: <key>\""}

// NewGuard makes a guard for callers who show their credential in a way; the zero value
// means [Bearer].
func NewGuard(common Common, credential Credential) *Guard {
	if credential.Read == nil {
		credential = Bearer
	}
	guesses := common.Guesses
	if guesses == nil {
		guesses = listen.NewThrottle(listen.ThrottleConfig{What: "API key", Logger: common.Log})
	}
	g := &Guard{keys: common.Keys, guesses: guesses, refused: func(string) {}, credential: credential}
	if common.Observer != nil {
		g.refused = common.Observer.Refused
	}
	return g
}

// bearer reads a credential as most callers send it.
func bearer(r *http.Request) string {
	if scheme, value, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(value)
	}
	return r.Header.Get("X-API-Key")
}

// Identify finds out who makes a request that needs a credential. A caller who is known is
// vouched for before strangers; who sends a wrong key waits here. The error is a [*Problem].
func (g *Guard) Identify(r *http.Request, access Access) (Caller, error) {
	who, err := g.identify(r, access)
	if err == nil && who.User != "" && access != Users && access != Apps {
		err = ErrUserToken
	}
	if err != nil {
		g.refuse(r.Context(), r.RemoteAddr, err)
		return Caller{}, err
	}
	listen.Vouch(r.Context(), who.trust)
	return who, nil
}

// authenticate puts the caller of each request into its context.
func (g *Guard) authenticate(access Access) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			who, err := g.Identify(c.Request(), access)
			if err != nil {
				return err
			}
			c.Set(callerKey, who)
			return next(c)
		}
	}
}

// refuse counts a refusal, and returns when it may be told.
func (g *Guard) refuse(ctx context.Context, from string, err error) {
	var problem *Problem
	if !errors.As(err, &problem) || problem.refused == "" {
		return
	}
	g.refused(problem.refused)
	if problem.refused == RefusedUnknown {
		g.guesses.Wrong(ctx, listen.AddressOf(from))
	}
}

// Deny refuses who shows a wrong proof that a surface checks by itself, such as a signature:
// it is counted, and who guesses waits here. The error is a [*Problem].
func (g *Guard) Deny(r *http.Request, why, detail string) error {
	err := denied(why, detail)
	g.refuse(r.Context(), r.RemoteAddr, err)
	return err
}

// Admit vouches for a backend that has shown such a proof, before strangers.
func (g *Guard) Admit(r *http.Request) { listen.Vouch(r.Context(), listen.Server) }

func (g *Guard) identify(r *http.Request, access Access) (Caller, error) {
	secret := g.credential.Read(r)
	if secret == "" {
		return Caller{}, denied(RefusedNone, g.credential.How)
	}
	want := chatbell.NetworkID(r.URL.Query().Get("network"))
	sum := sha256.Sum256([]byte(secret))
	if g.keys.IsAdmin(sum) {
		return g.asAdmin(want)
	}
	if key, ok := g.keys.Lookup(sum); ok {
		trust := listen.Server
		if key.Scope != chatbell.ScopeServer {
			if access != Apps {
				return Caller{}, errClientKey
			}
			trust = listen.User // anybody may have the app
		}
		return Caller{Network: key.Network, trust: trust}, ownNetwork(want, key.Network)
	}
	if strings.Count(secret, ".") == 2 {
		who, err := g.asUser(secret)
		if err == nil {
			err = ownNetwork(want, who.Network)
		}
		return who, err
	}
	return Caller{}, errBadKey
}

// ownNetwork refuses a request that names another network than its key's: acting for
// the key's own would be acting on the wrong one.
func ownNetwork(want, own chatbell.NetworkID) error {
	if want != "" && want != own {
		return denied(RefusedScope, fmt.Sprintf("this credential acts for the network %s only: leave out ?network=, or use the admin key or a key of the other network", own))
	}
	return nil
}

// asAdmin acts for the network that the request names, or for the only one.
func (g *Guard) asAdmin(want chatbell.NetworkID) (Caller, error) {
	all := g.keys.Networks()
	if want == "" && len(all) == 1 {
		return Caller{Network: all[0], trust: listen.Server}, nil
	}
	for _, network := range all {
		if network == want {
			return Caller{Network: network, trust: listen.Server}, nil
		}
	}
	if want == "" {
		return Caller{}, Invalid(Field("/network", "must name a network, as ?network=…, when the admin key is used"))
	}
	return Caller{}, NewProblem(http.StatusNotFound, "there is no such network")
}

// asUser checks a user's token: HS256 with the secret of the client key that kid
// names, with sub and exp.
func (g *Guard) asUser(token string) (Caller, error) {
	var key chatbell.Key
	claims := jwt.RegisteredClaims{}
	_, err := jwt.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		candidate, secret, ok := g.keys.ClientSecret(id)
		if !ok {
			return nil, errors.New("the token's kid names no client key")
		}
		key = candidate
		return secret, nil
	}, jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return Caller{}, errExpired
	case err != nil:
		return Caller{}, errBadToken
	case CheckID(claims.Subject) != "":
		return Caller{}, errNoUser
	}
	return Caller{Network: key.Network, User: chatbell.UserID(claims.Subject), trust: listen.User}, nil
}
