package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"chatbell"
	"chatbell/pipeline/work"
)

func endpoints(list ...chatbell.Endpoint) func(*work.Network) {
	return func(n *work.Network) { n.Endpoints = list }
}

// bodies are the calls in the order they came.
func (s *stage) bodies() []string {
	s.hook.mu.Lock()
	defer s.hook.mu.Unlock()
	var out []string
	for _, c := range s.hook.calls {
		out = append(out, string(c.Body))
	}
	return out
}

// An endpoint that asked for it gets the event itself, whatever the delivery mode and
// whoever is told; the call has rows in attempts, and none in deliveries.
func TestRawEvents(t *testing.T) {
	s := start(t, endpoints(
		chatbell.Endpoint{ID: "all", URL: "https://x", Events: []string{"*"}},
		chatbell.Endpoint{ID: "messages", URL: "https://x", Events: []string{"message.didCreate"}},
	))
	s.device("b", "tb", "")
	s.post(created("1", "a", "a", "b"), chatbell.Event{ID: "2", Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "b", Name: "Bea"}}, text("3", "a", "hello"))
	s.until("all events and calls", func() bool { return len(s.results.Events) == 3 && len(s.results.Attempts) == 6 })
	got := map[string]int{}
	for _, b := range s.bodies() {
		event, _, _ := strings.Cut(strings.TrimPrefix(b, `{"event":"`), `"`)
		got[event]++
	}
	if len(got) != 3 || got["message.didCreate"] != 2 || got["channel.didCreate"] != 1 || got["user.didUpdate"] != 1 {
		t.Errorf("calls: %v", got)
	}
	for _, d := range s.results.Deliveries {
		if d.Target == chatbell.TargetWebhook {
			t.Errorf("a raw event has the row %+v", d)
		}
	}
	calls := 0
	for _, a := range s.results.Attempts {
		if a.Target == chatbell.TargetWebhook && a.Outcome == chatbell.Accepted && a.UserID == "" {
			calls++
		}
	}
	if calls != 4 {
		t.Errorf("%d of 4 calls are among the attempts", calls)
	}
}

// A failed call with a raw event is tried again under the same webhook-id.
func TestRawEventRetries(t *testing.T) {
	s := start(t, endpoints(chatbell.Endpoint{ID: "all", URL: "https://x", Events: []string{"*"}}))
	s.hook.answer = func(attempt int) error {
		if attempt < 3 {
			return &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true, Status: 503}
		}
		return nil
	}
	s.post(chatbell.Event{ID: "1", Type: chatbell.UserUpdated, User: &chatbell.Person{ID: "b"}})
	s.until("three tries", func() bool { return len(s.results.Attempts) == 3 })
	s.hook.mu.Lock()
	defer s.hook.mu.Unlock()
	for i, c := range s.hook.calls {
		if c.ID == "" || c.ID != s.hook.calls[0].ID || c.Attempt != i+1 {
			t.Errorf("call %d has the id %q and attempt %d", i, c.ID, c.Attempt)
		}
	}
}

// The customer is told of a token that a provider has declared dead, once.
func TestDeadTokenIsTold(t *testing.T) {
	s := start(t, endpoints(chatbell.Endpoint{ID: "all", URL: "https://x", Events: []string{"device.removed"}}))
	s.phone.answer = func(string) error {
		return &chatbell.SendError{Reason: chatbell.Unregistered, Status: 410, ProviderReason: "Unregistered"}
	}
	s.device("b", "tb", "")
	s.post(created("1", "a", "b"), text("2", "a", "x"))
	s.wait(2)
	s.until("the call", func() bool {
		return slices.ContainsFunc(s.results.Attempts, func(a chatbell.Attempt) bool { return a.Target == chatbell.TargetWebhook })
	})
	bodies := s.bodies()
	if len(bodies) != 1 || !strings.Contains(bodies[0], `"event":"device.removed"`) || !strings.Contains(bodies[0], `"device_id":"dev-tb"`) ||
		!strings.Contains(bodies[0], `"reason":"unregistered"`) || strings.Contains(bodies[0], `"tb"`) {
		t.Errorf("calls: %q", bodies)
	}
}

// Once an endpoint has said that it is gone, what still waits for it is not sent.
func TestGoneEndpointIsNotCalled(t *testing.T) {
	s := start(t, func(n *work.Network) {
		n.Delivery = chatbell.DeliverWebhook
		n.Endpoints = []chatbell.Endpoint{{ID: "main", URL: "https://x", Events: []string{"push-notification.created"}}}
	})
	s.hook.answer = func(int) error {
		return &chatbell.SendError{Reason: chatbell.EndpointDisabled, Status: 410}
	}
	s.post(created("1", "a", "b"))
	s.wait(1)
	s.post(text("2", "a", "x"))
	s.wait(2)
	if n := len(s.bodies()); n != 1 {
		t.Errorf("%d calls", n)
	}
	if got := s.outcomes()["b webhook failed /endpoint_disabled"]; got != 2 {
		t.Errorf("rows: %v", s.outcomes())
	}
}
