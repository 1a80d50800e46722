package native

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"chatbell"
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
}

const callerKey = "caller"

func callerOf(c echo.Context) caller {
	who, _ := c.Get(callerKey).(caller)
	return who
}

var (
	errNoCredentials = problem(http.StatusUnauthorized, "send a key as \"Authorization: Bearer <key>\" or \"X-API-Key: <key>\"")
	errBadKey        = problem(http.StatusUnauthorized, "the key is not known")
	errClientKey     = problem(http.StatusForbidden, "a client key signs users' tokens; it may not call this itself. Use a server key")
	errUserToken     = problem(http.StatusForbidden, "a user's token reaches that user's own devices and settings only")
)

// authenticate finds out who calls. Users' tokens pass only where the route says so.
func authenticate(keys Keys, users bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			who, err := identify(c, keys)
			if err != nil {
				return err
			}
			if who.user != "" && !users {
				return errUserToken
			}
			c.Set(callerKey, who)
			return next(c)
		}
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
		return caller{network: key.Network}, nil
	}
	if strings.Count(secret, ".") == 2 {
		return asUser(secret, keys)
	}
	return caller{}, errBadKey
}

// asAdmin acts for the network that the request names, or for the only one.
func asAdmin(c echo.Context, keys Keys) (caller, error) {
	all := keys.Networks()
	want := chatbell.NetworkID(c.QueryParam("network"))
	if want == "" && len(all) == 1 {
		return caller{network: all[0]}, nil
	}
	for _, n := range all {
		if n == want {
			return caller{network: n}, nil
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
		return caller{}, problem(http.StatusUnauthorized, "the token has expired")
	case err != nil:
		return caller{}, problem(http.StatusUnauthorized, "the token is not valid: it must be signed with HS256 and a client key's secret, with kid, sub and exp")
	case checkID(claims.Subject) != "":
		return caller{}, problem(http.StatusUnauthorized, "the token's sub must be a user id")
	}
	return caller{network: key.Network, user: chatbell.UserID(claims.Subject)}, nil
}
