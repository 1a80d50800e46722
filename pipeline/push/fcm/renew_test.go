package fcm

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2/jwt"
)

// stale makes a store with a token that ends in rest. Nobody listens where new ones
// would come from.
func stale(t *testing.T, rest time.Duration) *tokens {
	t.Helper()
	s := newTokens(&account{jwt: &jwt.Config{TokenURL: "http://127.0.0.1:1"}}, nil)
	s.token, s.fetched, s.ends = "old", time.Now(), time.Now().Add(rest)
	return s
}

func TestTokenIsUsedWhileItLasts(t *testing.T) {
	for rest, usable := range map[time.Duration]bool{
		time.Hour: true, renewBefore - time.Second: true, spare + time.Second: true, spare - time.Second: false, -time.Hour: false,
	} {
		s := stale(t, rest)
		got, err := s.get(t.Context())
		if (err == nil) != usable || usable && got != "old" {
			t.Errorf("a token that ends in %v: %q, %v", rest, got, err)
		}
		s.close()
	}
}

// A fetch begins ahead of the end, in the background.
func TestTokenIsRenewedAhead(t *testing.T) {
	for rest, renews := range map[time.Duration]bool{renewBefore + time.Minute: false, renewBefore - time.Minute: true} {
		s := stale(t, rest)
		if _, err := s.get(t.Context()); err != nil {
			t.Error(err)
		}
		s.close() // waits for the fetch
		if (s.err != nil) != renews {
			t.Errorf("%v before its end: fetch failed with %v, want one: %t", rest, s.err, renews)
		}
	}
}

func TestRefusedTokenIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stale(t, time.Hour)
		defer s.close()
		if s.refused("old", time.Now()) || s.token == "" {
			t.Error("a young token that is refused was dropped: more of them would not help")
		}
		time.Sleep(minAge) // of the bubble's clock
		if !s.refused("older", time.Now()) || s.token == "" {
			t.Error("a token was dropped because one before it was refused")
		}
		if !s.refused("old", time.Now()) || s.token != "" {
			t.Error("a token that is refused stays in use")
		}
	})
}
