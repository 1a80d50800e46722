package pushtest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/pipeline/push"
)

// oversized checks the limit where it counts: at the other end of the wire.
func (s *suite) oversized(t *testing.T) {
	srv, n := s.start(t)
	for name, text := range map[string]string{
		"letters":  strings.Repeat("word ", 4000),
		"escapes":  strings.Repeat(`"<\&>`+"\x01\n", 3000),
		"families": strings.Repeat("👩‍👩‍👧‍👦", 1000),
		"invalid":  strings.Repeat("a\xff\xc3", 4000),
	} {
		for _, both := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, title too: %t", name, both), func(t *testing.T) {
				long := note()
				long.Body = text
				if both {
					long.Title = text
				}
				p := prepare(t, n, long)
				if !p.Truncated() {
					t.Error("a payload that had to be cut does not say so")
				}
				srv.Forget()
				if _, err := n.Send(t.Context(), p, s.target(0)); err != nil {
					t.Fatal(err)
				}
				got := s.h.Read(t, srv.Sends()[0])
				if got.Size > push.MaxPayload || p.Size() > push.MaxPayload {
					t.Errorf("payload has %d bytes on the wire and says %d, limit %d", got.Size, p.Size(), push.MaxPayload)
				}
				if got.Size < push.MaxPayload/2 && !both {
					t.Errorf("payload has only %d bytes: cut more than needed", got.Size)
				}
				if !strings.HasSuffix(got.Body, "…") {
					t.Error("the cut body does not end with an ellipsis")
				}
			})
		}
	}
	if p := prepare(t, n, note()); p.Truncated() || p.Size() == 0 {
		t.Errorf("a short notification: truncated %t, size %d", p.Truncated(), p.Size())
	}
}

func (s *suite) tooLarge(t *testing.T) {
	_, n := s.start(t)
	long := note()
	long.ThreadID = strings.Repeat("x", 2*push.MaxPayload)
	_, err := n.Prepare(long)
	if err == nil {
		t.Fatal("Prepare accepts what cannot be made to fit")
	}
	s.discreet(t, err)
	if got := sendError(t, err); got.Reason != chatbell.PayloadTooLarge || got.Retry {
		t.Errorf("got %+v, want payload_too_large, no retry", got)
	}
}

type foreignPayload struct{}

func (foreignPayload) Truncated() bool { return false }
func (foreignPayload) Size() int       { return 0 }

func (s *suite) foreign(t *testing.T) {
	_, n := s.start(t)
	for _, p := range []push.Payload{nil, foreignPayload{}} {
		_, err := n.Send(t.Context(), p, s.target(0))
		if err == nil {
			t.Fatal("a payload of somebody else counts as accepted")
		}
		if got := sendError(t, err); got.Retry {
			t.Errorf("got %+v, want no retry", got)
		}
	}
}

// shared: one payload for many targets, and the notification is the caller's again.
func (s *suite) shared(t *testing.T) {
	srv, n := s.start(t)
	given := note()
	p := prepare(t, n, given)
	if diff := cmp.Diff(note().Data, given.Data); diff != "" || given.Title != title {
		t.Errorf("Prepare changed its argument: %s", diff)
	}
	given.Title, given.Data["event_id"] = "changed", "changed"
	for i := range 3 {
		if _, err := n.Send(t.Context(), p, s.target(i)); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range srv.Sends() {
		got := s.h.Read(t, r)
		if got.Token != s.h.Token(i) || got.Title != title || strings.Contains(string(r.Body), "changed") {
			t.Errorf("send %d: %+v", i, got)
		}
	}
}

// sendAll sends to the targets of numbers from to to-1, all at once.
func (s *suite) sendAll(t *testing.T, n push.Notifier, from, to int) {
	t.Helper()
	p := prepare(t, n, note())
	var wg sync.WaitGroup
	for i := from; i < to; i++ {
		wg.Go(func() {
			if _, err := n.Send(t.Context(), p, s.target(i)); err != nil {
				t.Errorf("send %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// once checks that each of the targets got exactly one request.
func (s *suite) once(t *testing.T, srv *Server, from, to int) {
	t.Helper()
	seen := map[string]int{}
	for _, r := range srv.Sends() {
		seen[s.h.Read(t, r).Token]++
	}
	for i := from; i < to; i++ {
		if got := seen[s.h.Token(i)]; got != 1 {
			t.Errorf("target %d got %d requests", i, got)
		}
	}
	if len(seen) != to-from {
		t.Errorf("%d targets got something, want %d", len(seen), to-from)
	}
}

func (s *suite) concurrent(t *testing.T) {
	srv, n := s.start(t, func(c *Conditions) { c.Connections = 2 })
	const sends = 200
	s.sendAll(t, n, 0, sends)
	s.once(t, srv, 0, sends)
	if got, limit := srv.Conns(), 2; got > limit {
		t.Errorf("%d connections, want at most %d", got, limit)
	}
}

// crowded: sends beyond the streams wait for their turn, on the connections there are.
func (s *suite) crowded(t *testing.T) {
	srv, n := s.start(t, func(c *Conditions) { c.Connections = 1 })
	sends := 2*n.Streams() + 7
	srv.Hold()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.sendAll(t, n, 0, sends)
	}()
	srv.await(t, min(n.Streams(), 90)) // full, as far as every service allows
	srv.Release()
	select {
	case <-done:
	case <-time.After(4 * soon):
		t.Fatal("sends are stuck")
	}
	s.once(t, srv, 0, sends)
	if got, limit := srv.Conns(), 1; got > limit {
		t.Errorf("%d connections, want at most %d", got, limit)
	}
}

// two configurations in one process share nothing.
func (s *suite) two(t *testing.T) {
	first, n1 := s.start(t)
	second, n2 := s.start(t, func(c *Conditions) { c.Second = true })
	first.Say(Answer{Status: 500})
	p1, p2 := prepare(t, n1, note()), prepare(t, n2, note())
	if _, err := n1.Send(t.Context(), p1, s.target(0)); err == nil {
		t.Error("the first configuration does not meet its own service")
	}
	if _, err := n2.Send(t.Context(), p2, s.target(1)); err != nil {
		t.Errorf("the second configuration: %v", err)
	}
	s.once(t, first, 0, 1)
	s.once(t, second, 1, 2)
	a, b := s.h.Read(t, first.Sends()[0]), s.h.Read(t, second.Sends()[0])
	if a.Credential == "" || a.Credential == b.Credential {
		t.Errorf("credentials %q and %q, want two", a.Credential, b.Credential)
	}
	if err := n1.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := n2.Send(t.Context(), p2, s.target(2)); err != nil {
		t.Errorf("closing one configuration broke the other: %v", err)
	}
}
