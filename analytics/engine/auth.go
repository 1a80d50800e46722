package engine

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"

	"chatbell/internal/listen"
)

// role is who is asking.
type role int

const (
	nobody role = iota
	analyst
	writer
)

// auth knows the two users by the hashes of their passwords.
type auth struct {
	writerHash  [sha256.Size]byte
	analystUser string
	analystHash []byte // empty: there is no analyst
}

func newAuth(set *settings) auth {
	a := auth{writerHash: sha256.Sum256([]byte(set.WriterPassword)), analystUser: set.AnalystUser}
	if h, err := hex.DecodeString(set.AnalystSHA256); err == nil && len(h) == sha256.Size {
		a.analystHash = h
	}
	return a
}

// credentials are taken from ClickHouse's own headers, from basic authentication, or
// from the address, in this order.
func credentials(r *http.Request) (user, password string) {
	if u := r.Header.Get("X-ClickHouse-User"); u != "" {
		return u, r.Header.Get("X-ClickHouse-Key")
	}
	if u, path, ok := r.BasicAuth(); ok {
		return u, path
	}
	query := r.URL.Query()
	return query.Get("user"), query.Get("password")
}

// identify finds out who asks. Who is known is vouched for before strangers; who sends a
// wrong password waits.
func (h *handler) identify(r *http.Request) role {
	who := h.auth.role(r)
	switch who {
	case writer:
		listen.Vouch(r.Context(), listen.Server)
	case analyst:
		listen.Vouch(r.Context(), listen.User)
	case nobody:
		if user, password := credentials(r); user != "" || password != "" {
			h.wrong.Add(1)
			h.guesses.Wrong(r.Context(), listen.AddressOf(r.RemoteAddr))
		}
	}
	return who
}

// role compares in constant time.
func (a auth) role(r *http.Request) role {
	user, password := credentials(r)
	sum := sha256.Sum256([]byte(password))
	switch {
	case user == writerUser && subtle.ConstantTimeCompare(sum[:], a.writerHash[:]) == 1:
		return writer
	case len(a.analystHash) > 0 && user == a.analystUser && subtle.ConstantTimeCompare(sum[:], a.analystHash) == 1:
		return analyst
	}
	return nobody
}
