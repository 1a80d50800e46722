package apns

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sideshow/apns2/token"
)

const (
	// renewAfter is when a provider token is replaced. Apple takes none older than an
	// hour; ten minutes are left for clocks that differ.
	renewAfter = 50 * time.Minute
	// minAge is how old a provider token must be before it may be replaced: Apple
	// refuses more than one in 20 minutes.
	minAge = 20 * time.Minute
	// clockStep is by how much a clock has to be set back for a new provider token: the old
	// one is of a time that has not come yet. What keeps clocks right sets them back by less.
	clockStep = time.Minute
)

// signer makes the provider tokens of one key. It is safe for concurrent use: many
// sends that find the token too old make one new one.
type signer struct {
	mu     sync.Mutex
	token  token.Token
	issued time.Time
	header string
}

func newSigner(keyPEM []byte, keyID, teamID string) (*signer, error) {
	if keyID == "" || teamID == "" {
		return nil, errors.New("the key id or the team id of the signing key is missing")
	}
	key, err := token.AuthKeyFromBytes(keyPEM)
	if err != nil {
		return nil, errors.New("the signing key cannot be read; it must be the .p8 file as Apple hands it out")
	}
	made := &signer{}
	made.token.AuthKey = key
	made.token.KeyID = keyID
	made.token.TeamID = teamID
	if _, err := made.bearer(time.Now()); err != nil { // a key on a wrong curve shows here, not at the first push
		return nil, err
	}
	return made, nil
}

// bearer is the authorization header for a request at now.
func (s *signer) bearer(now time.Time) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// By the wall clock, which Apple compares with its own, and which may be set meanwhile.
	age := now.Round(0).Sub(s.issued.Round(0))
	if s.header != "" && age < renewAfter && age > -clockStep {
		return s.header, nil
	}
	err := s.renew(now)
	return s.header, err
}

// renew makes a new token. It holds s.mu.
func (s *signer) renew(now time.Time) error {
	if _, err := s.token.Generate(); err != nil {
		return fmt.Errorf("sign provider token: %w; check that the key is an ES256 key", err)
	}
	s.issued = now
	s.header = "bearer " + s.token.Bearer
	return nil
}

// expired is told that Apple called a token expired, and reports whether the next
// request will carry another. A token that Apple calls expired although it is young
// means that a clock is wrong, and more tokens of that clock would not help: they do when it
// is set.
func (s *signer) expired(header string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if header != s.header {
		return true // somebody has renewed it meanwhile
	}
	if now.Sub(s.issued) < minAge {
		return false
	}
	return s.renew(now) == nil
}
