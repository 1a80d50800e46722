package pushtest

import (
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Answer is what the simulated push service says to one request.
type Answer struct {
	Status int
	Header map[string]string
	Body   string
}

// Request is one send as it arrived.
type Request struct {
	Header http.Header
	Path   string
	Body   []byte
}

// Server simulates a push service: HTTP/2 over TLS on 127.0.0.1. It answers sends
// with what the test tells it, keeps them, and counts its connections.
type Server struct {
	http *httptest.Server
	h    *Harness

	mu     sync.Mutex
	answer func(r *http.Request, n int) Answer
	hold   chan struct{} // sends wait until it is closed
	sends  []Request
	conns  int
	seen   chan struct{} // a token for each send that arrived
}

// NewServer starts a service that accepts everything. It ends with the test.
func NewServer(t testing.TB, h *Harness) *Server {
	t.Helper()
	s := &Server{h: h, seen: make(chan struct{}, 1<<16)}
	s.answer = func(*http.Request, int) Answer { return h.Accepted("accepted-id") }
	s.http = httptest.NewUnstartedServer(s)
	s.http.EnableHTTP2 = true
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail on purpose
	s.http.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			s.conns++
			s.mu.Unlock()
		}
	}
	s.http.StartTLS()
	t.Cleanup(func() {
		s.Release()
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// URL is the address, https://127.0.0.1:port.
func (s *Server) URL() string { return s.http.URL }

// Roots trusts the server.
func (s *Server) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.http.Certificate())
	return pool
}

// Say sets the answer to all further sends.
func (s *Server) Say(a Answer) {
	s.SayEach(func(*http.Request, int) Answer { return a })
}

// SayEach sets who answers further sends; n counts them from 1.
func (s *Server) SayEach(f func(r *http.Request, n int) Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// Hold makes further sends wait for Release.
func (s *Server) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = make(chan struct{})
}

// Release lets the sends that wait go on.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold != nil {
		close(s.hold)
		s.hold = nil
	}
}

// Sends are the sends that arrived so far.
func (s *Server) Sends() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.sends...)
}

// Forget forgets the sends that arrived so far.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sends = nil
}

// Conns is how many connections were ever opened.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// CutConnections ends all connections at once, without a goodbye.
func (s *Server) CutConnections() { s.http.CloseClientConnections() }

// await waits until n sends have arrived since the last await.
func (s *Server) await(t testing.TB, n int) {
	t.Helper()
	late := time.After(10 * time.Second)
	for range n {
		select {
		case <-s.seen:
		case <-late:
			t.Fatalf("only %d sends arrived", len(s.Sends()))
		}
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.h.IsSend(r) {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender has gone
	}
	s.mu.Lock()
	s.sends = append(s.sends, Request{Header: r.Header.Clone(), Path: r.URL.EscapedPath(), Body: body})
	answer, n, hold := s.answer, len(s.sends), s.hold
	s.mu.Unlock()
	s.seen <- struct{}{}
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return
		}
	}
	a := answer(r, n)
	for k, v := range a.Header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body) // a sender that has gone is no failure here
}
