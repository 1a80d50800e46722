package pushtest

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/polltest"
)

// soon bounds what has to end by itself within a few hundred milliseconds, on a
// machine that is busy with other tests.
const soon = 5 * time.Second

func brief(c *Conditions) { c.Timeout = 300 * time.Millisecond }

// expect checks an error of a send that got no answer.
func (s *suite) expect(t *testing.T, err error, reason chatbell.Reason, fateUnknown bool) {
	t.Helper()
	if err == nil {
		t.Fatal("a send without an answer counts as accepted")
	}
	s.discreet(t, err)
	got := sendError(t, err)
	if got.Reason != reason || !got.Retry || got.FateUnknown != fateUnknown || got.Status != 0 {
		t.Errorf("got %+v (%v), want %s, retry, fate unknown %t, no status", *got, err, reason, fateUnknown)
	}
}

func (s *suite) hang(t *testing.T) {
	srv, n := s.start(t, brief)
	srv.Hold()
	begin := time.Now()
	_, err := n.Send(t.Context(), prepare(t, n, note()), s.target(0))
	if took := time.Since(begin); took > soon {
		t.Errorf("a send hung for %v", took)
	}
	s.expect(t, err, chatbell.Timeout, true)
	if got := len(srv.Sends()); got != 1 {
		t.Errorf("%d requests for one send", got)
	}
}

func (s *suite) deadline(t *testing.T) {
	srv, n := s.start(t)
	srv.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := n.Send(ctx, prepare(t, n, note()), s.target(0))
	s.expect(t, err, chatbell.Timeout, true)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's deadline is lost: %v", err)
	}
}

func (s *suite) broken(t *testing.T) {
	t.Run("stream reset", func(t *testing.T) {
		srv, n := s.start(t)
		srv.SayEach(func(*http.Request, int) Answer { panic(http.ErrAbortHandler) })
		_, err := n.Send(t.Context(), prepare(t, n, note()), s.target(0))
		s.expect(t, err, chatbell.Unavailable, true)
		if got := len(srv.Sends()); got != 1 {
			t.Errorf("%d requests for one send", got)
		}
	})
	t.Run("connection cut", func(t *testing.T) {
		srv, n := s.start(t)
		srv.Hold()
		p := prepare(t, n, note())
		failed := make(chan error, 1)
		go func() {
			_, err := n.Send(t.Context(), p, s.target(0))
			failed <- err
		}()
		srv.await(t, 1)
		srv.CutConnections()
		s.expect(t, wait(t, failed), chatbell.Unavailable, true)
		if got := len(srv.Sends()); got != 1 {
			t.Errorf("%d requests for one send", got)
		}
	})
}

// wait receives, within a bound.
func wait[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(soon):
		t.Fatal("nothing came in time")
	}
	return v
}

func (s *suite) connectionRefused(t *testing.T) {
	addr := polltest.NobodyListens(t)
	_, n := s.start(t, func(c *Conditions) { c.URL = "https://" + addr })
	p := prepare(t, n, note())
	for range 3 {
		_, err := n.Send(t.Context(), p, s.target(0))
		s.expect(t, err, chatbell.Unavailable, false)
	}
}

func (s *suite) untrusted(t *testing.T) {
	srv, n := s.start(t, func(c *Conditions) { c.Roots = x509.NewCertPool() })
	_, err := n.Send(t.Context(), prepare(t, n, note()), s.target(0))
	s.expect(t, err, chatbell.Unavailable, false)
	if got := len(srv.Sends()); got != 0 {
		t.Error("an untrusted server got the notification")
	}
}

func (s *suite) cancelled(t *testing.T, err error) {
	t.Helper()
	s.discreet(t, err)
	var se *chatbell.SendError
	if !errors.Is(err, context.Canceled) || errors.As(err, &se) {
		t.Errorf("error = %v (%T), want context.Canceled and no verdict", err, err)
	}
}

func (s *suite) cancelledBefore(t *testing.T) {
	srv, n := s.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := n.Send(ctx, prepare(t, n, note()), s.target(0))
	s.cancelled(t, err)
	if got := len(srv.Sends()); got != 0 {
		t.Errorf("%d requests", got)
	}
}

func (s *suite) cancelledDuring(t *testing.T) {
	srv, n := s.start(t)
	srv.Hold()
	p := prepare(t, n, note())
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := n.Send(ctx, p, s.target(0))
		failed <- err
	}()
	srv.await(t, 1)
	cancel()
	s.cancelled(t, wait(t, failed))
	srv.Release()
	if _, err := n.Send(t.Context(), p, s.target(1)); err != nil {
		t.Errorf("after a cancelled send: %v", err)
	}
}

// recovers: a connection that ended while nobody used it costs no notification.
func (s *suite) recovers(t *testing.T) {
	srv, n := s.start(t)
	p := prepare(t, n, note())
	if _, err := n.Send(t.Context(), p, s.target(0)); err != nil {
		t.Fatal(err)
	}
	srv.CutConnections()
	// The cut takes a moment to arrive; a send in that moment may find the connection
	// broken, but soon one gets through.
	for late := time.Now().Add(soon); ; {
		_, err := n.Send(t.Context(), p, s.target(1))
		if err == nil {
			return
		}
		if !sendError(t, err).Retry || time.Now().After(late) {
			t.Fatalf("does not recover: %v", err)
		}
	}
}

func (s *suite) closed(t *testing.T) {
	srv, n := s.start(t)
	p := prepare(t, n, note())
	if _, err := n.Send(t.Context(), p, s.target(0)); err != nil {
		t.Fatal(err)
	}
	srv.Hold()
	failed := make(chan error, 1)
	go func() {
		_, err := n.Send(t.Context(), p, s.target(1))
		failed <- err
	}()
	srv.await(t, 2)
	if err := n.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	s.expect(t, wait(t, failed), chatbell.Unavailable, true)
	_, err := n.Send(t.Context(), p, s.target(2))
	s.expect(t, err, chatbell.Unavailable, false)
}
