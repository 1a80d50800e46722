package native

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

// caller is who makes a request.
type caller struct {
	network chatbell.NetworkID
	user    chatbell.UserID // set for a user's own token; it reaches that user's things only
	trust   listen.Trust
}

const callerKey = "caller"

func callerOf(c echo.Context) caller {
	who, _ := c.Get(callerKey).(caller)
	return who
}

// Why a credential was refused, for metrics. The list is closed.
const (
	RefusedNone    = "none"    // none was sent
	RefusedUnknown = "unknown" // a key that nobody has, or a token that is not valid
	RefusedExpired = "expired" // a token of yesterday
	RefusedScope   = "scope"   // it is right, and may not do this
)

// The refusals.
var (
	errNoCredentials = refused(RefusedNone, "send a key as \"Authorization: Bearer <key>\" or \"X-API-Key: <key>\"")
	errBadKey        = refused(RefusedUnknown, "the key is not known")
	errBadToken      = refused(RefusedUnknown, "the token is not valid: it must be signed with HS256 and a client key's secret, with kid, sub and exp")
	errNoUser        = refused(RefusedUnknown, "the token's sub must be a user id")
	errExpired       = refused(RefusedExpired, "the token has expired")
	errClientKey     = refused(RefusedScope, "a client key signs users' tokens; it may not call this itself. Use a server key")
	errUserToken     = refused(RefusedScope, "a user's token reaches that user's own devices and settings only")
)

// refused is a problem with a credential, with the error of RFC 6750 §3.1 that says the
// same to a program.
func refused(why, detail string) *Problem {
	const realm = `Bearer realm="chatbell"`
	status, challenge := http.StatusUnauthorized, realm+`, error="invalid_token"`
	switch why {
	case RefusedNone:
		challenge = realm
	case RefusedScope:
		status, challenge = http.StatusForbidden, realm+`, error="insufficient_scope"`
	}
	p := problem(status, "%s", detail)
	p.refused, p.challenge = why, challenge
	return p
}

// guard lets nobody pass who has no credential for a route.
type guard struct {
	keys    Keys
	guesses *listen.Throttle
	refused func(why string)
}

// authenticate finds out who calls. Users' tokens pass only where the route says so. A
// caller who is known is vouched for before strangers; who sends a wrong key waits.
func (g *guard) authenticate(users bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			who, err := identify(c, g.keys)
			if err == nil && who.user != "" && !users {
				err = errUserToken
			}
			ctx := c.Request().Context()
			if err != nil {
				g.refuse(ctx, c.Request().RemoteAddr, err)
				return err
			}
			listen.Vouch(ctx, who.trust)
			c.Set(callerKey, who)
			return next(c)
		}
	}
}

// refuse counts a refusal, and returns when it may be told.
func (g *guard) refuse(ctx context.Context, from string, err error) {
	var p *Problem
	if !errors.As(err, &p) || p.refused == "" {
		return
	}
	g.refused(p.refused)
	if p.refused == RefusedUnknown {
		g.guesses.Wrong(ctx, listen.AddressOf(from))
	}
}

func identify(c echo.Context, keys Keys) (caller, error) {
	secret := c.Request().Header.Get("X-API-Key")
	if scheme, value, ok := strings.Cut(c.Request().Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		secret = strings.TrimSpace(value)
	}
	if secret == "" {
		return caller{}, errNoCredentials
	}
	sum := sha256.Sum256([]byte(secret))
	if keys.IsAdmin(sum) {
		return asAdmin(c, keys)
	}
	if key, ok := keys.Lookup(sum); ok {
		if key.Scope != chatbell.ScopeServer {
			return caller{}, errClientKey
		}
		return caller{network: key.Network, trust: listen.Server}, ownNetwork(c, key.Network)
	}
	if strings.Count(secret, ".") == 2 {
		who, err := asUser(secret, keys)
		if err == nil {
			err = ownNetwork(c, who.network)
		}
		return who, err
	}
	return caller{}, errBadKey
}

// ownNetwork refuses a request that names another network than its key's: acting for
// the key's own would be acting on the wrong one.
func ownNetwork(c echo.Context, own chatbell.NetworkID) error {
	if want := c.QueryParam("network"); want != "" && want != string(own) {
		return refused(RefusedScope, fmt.Sprintf("this credential acts for the network %s only: leave out ?network=, or use the admin key or a key of the other network", own))
	}
	return nil
}

// asAdmin acts for the network that the request names, or for the only one.
func asAdmin(c echo.Context, keys Keys) (caller, error) {
	all := keys.Networks()
	want := chatbell.NetworkID(c.QueryParam("network"))
	if want == "" && len(all) == 1 {
		return caller{network: all[0], trust: listen.Server}, nil
	}
	for _, n := range all {
		if n == want {
			return caller{network: n, trust: listen.Server}, nil
		}
	}
	if want == "" {
		return caller{}, invalid(field("/network", "must name a network, as ?network=…, when the admin key is used"))
	}
	return caller{}, problem(http.StatusNotFound, "there is no such network")
}

// asUser checks a user's token: HS256 with the secret of the client key that kid
// names, with sub and exp.
func asUser(token string, keys Keys) (caller, error) {
	var key chatbell.Key
	claims := jwt.RegisteredClaims{}
	_, err := jwt.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		k, secret, ok := keys.ClientSecret(id)
		if !ok {
			return nil, errors.New("the token's kid names no client key")
		}
		key = k
		return secret, nil
	}, jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return caller{}, errExpired
	case err != nil:
		return caller{}, errBadToken
	case checkID(claims.Subject) != "":
		return caller{}, errNoUser
	}
	return caller{network: key.Network, user: chatbell.UserID(claims.Subject), trust: listen.User}, nil
}
