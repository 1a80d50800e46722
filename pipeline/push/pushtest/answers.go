package pushtest

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"chatbell"
	"chatbell/pipeline/push"
)

func (s *suite) accepted(t *testing.T) {
	srv, n := s.start(t)
	srv.Say(s.h.Accepted("id-7"))
	r, err := n.Send(t.Context(), prepare(t, n, note()), s.target(0))
	if err != nil {
		t.Fatalf("Send: %v", err)
	}
	if r.ProviderID != "id-7" || r.Status != http.StatusOK {
		t.Errorf("receipt = %+v, want id-7 and 200", r)
	}
	sends := srv.Sends()
	if len(sends) != 1 {
		t.Fatalf("%d requests for one send", len(sends))
	}
	got := s.h.Read(t, sends[0])
	want := Sent{Token: s.h.Token(0), Title: title, Body: body, CollapseID: "collapse-1", Credential: got.Credential, Size: got.Size}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func (s *suite) traceParent(t *testing.T) {
	srv, n := s.start(t)
	p := prepare(t, n, note())
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, c := range []struct{ given, want string }{{trace, trace}, {"", ""}, {"00-evil\r\nX: y", ""}} {
		if _, err := n.Send(push.WithTraceParent(t.Context(), c.given), p, s.target(0)); err != nil {
			t.Fatalf("Send: %v", err)
		}
		sends := srv.Sends()
		if got := sends[len(sends)-1].Header.Get("Traceparent"); got != c.want {
			t.Errorf("traceparent %q arrived as %q, want %q", c.given, got, c.want)
		}
	}
}

// refused makes one send that is answered with a, and returns its error.
func (s *suite) refused(t *testing.T, a Answer) *chatbell.SendError {
	t.Helper()
	srv, n := s.start(t)
	srv.Say(a)
	_, err := n.Send(t.Context(), prepare(t, n, note()), s.target(0))
	if err == nil {
		t.Fatal("a refusal counts as accepted")
	}
	s.discreet(t, err)
	if got := len(srv.Sends()); got != 1 {
		t.Errorf("%d requests for one send", got)
	}
	return sendError(t, err)
}

func sendError(t *testing.T, err error) *chatbell.SendError {
	t.Helper()
	var se *chatbell.SendError
	if !errors.As(err, &se) {
		t.Fatalf("error is a %T and wraps no *chatbell.SendError: %v", err, err)
	}
	return se
}

func (s *suite) refusals(t *testing.T) {
	for _, c := range s.h.Refusals {
		t.Run(c.Name, func(t *testing.T) {
			got := s.refused(t, c.Answer)
			if diff := cmp.Diff(&c.Want, got, cmpopts.IgnoreFields(chatbell.SendError{}, "Err")); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

// coverage checks that the harness knows a refusal of every kind.
func (s *suite) coverage(t *testing.T) {
	have := map[chatbell.Reason]bool{}
	waits := false
	for _, c := range s.h.Refusals {
		have[c.Want.Reason] = true
		waits = waits || c.Want.Reason == chatbell.RateLimited && c.Want.RetryAfter > 0
		final := c.Want.Reason == chatbell.Unregistered || c.Want.Reason == chatbell.InvalidToken
		if final && c.Want.Retry {
			t.Errorf("%s: a dead token is tried again", c.Name)
		}
	}
	for _, r := range []chatbell.Reason{
		chatbell.Unregistered, chatbell.InvalidToken, chatbell.Auth, chatbell.PayloadTooLarge,
		chatbell.RateLimited, chatbell.Unavailable, chatbell.Rejected,
	} {
		if !have[r] {
			t.Errorf("no refusal with reason %s", r)
		}
	}
	if !waits {
		t.Error("no refusal with Retry-After")
	}
}

// statuses checks answers that are not in the provider's words, for example those of
// a proxy. None of them says anything about a token.
func (s *suite) statuses(t *testing.T) {
	soon := map[string]string{"Retry-After": "3"}
	for _, c := range []struct {
		status int
		header map[string]string
		want   chatbell.SendError
	}{
		{status: 400, want: chatbell.SendError{Reason: chatbell.Rejected}},
		{status: 401, want: chatbell.SendError{Reason: chatbell.Auth}},
		{status: 403, want: chatbell.SendError{Reason: chatbell.Auth}},
		{status: 404, want: chatbell.SendError{Reason: chatbell.Rejected}},
		{status: 408, want: chatbell.SendError{Reason: chatbell.Timeout, Retry: true}},
		{status: 410, want: chatbell.SendError{Reason: chatbell.Rejected}},
		{status: 413, want: chatbell.SendError{Reason: chatbell.PayloadTooLarge}},
		{status: 429, want: chatbell.SendError{Reason: chatbell.RateLimited, Retry: true}},
		{status: 429, header: soon, want: chatbell.SendError{Reason: chatbell.RateLimited, Retry: true, RetryAfter: 3 * time.Second}},
		{status: 500, want: chatbell.SendError{Reason: chatbell.Unavailable, Retry: true}},
		{status: 502, want: chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, FateUnknown: true}},
		{status: 503, header: soon, want: chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, RetryAfter: 3 * time.Second}},
		{status: 504, want: chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, FateUnknown: true}},
	} {
		t.Run(http.StatusText(c.status), func(t *testing.T) {
			got := s.refused(t, Answer{Status: c.status, Header: c.header, Body: "<html>" + s.h.Token(0) + "</html>"})
			c.want.Status = c.status
			if got.Reason == chatbell.Auth {
				got.Retry = false // a provider may know a way to renew its credential
			}
			ignored := cmpopts.IgnoreFields(chatbell.SendError{}, "Err", "ProviderReason")
			if diff := cmp.Diff(&c.want, got, ignored); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

// strangeAcceptance is a 200 of somebody who is not the push service.
func (s *suite) strangeAcceptance(t *testing.T) {
	got := s.refused(t, Answer{Status: http.StatusOK, Body: "<html>Please log in to this network</html>"})
	if got.Reason != chatbell.Rejected && got.Reason != chatbell.Other {
		t.Errorf("reason = %s, want rejected or other", got.Reason)
	}
}

func (s *suite) redirect(t *testing.T) {
	elsewhere := NewServer(t, s.h)
	s.refused(t, Answer{Status: http.StatusTemporaryRedirect, Header: map[string]string{"Location": elsewhere.URL() + "/"}})
	if got := elsewhere.Conns(); got != 0 {
		t.Errorf("the redirect was followed")
	}
}

func (s *suite) noToken(t *testing.T) {
	srv, n := s.start(t)
	p := prepare(t, n, note())
	for _, token := range []string{"", "..", string(make([]byte, 1<<16))} {
		_, err := n.Send(t.Context(), p, push.Target{Token: token})
		if err == nil {
			t.Fatal("a send without a usable token counts as accepted")
		}
		if got := sendError(t, err); got.Reason != chatbell.InvalidToken || got.Retry {
			t.Errorf("token of %d bytes: %+v, want invalid_token, no retry", len(token), got)
		}
	}
	if got := len(srv.Sends()); got != 0 {
		t.Errorf("%d requests", got)
	}
}
