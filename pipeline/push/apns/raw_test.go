package apns_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/pushtest"
)

// Raw content that the service could not take is refused before anything is sent.
func TestRawRefused(t *testing.T) {
	notifier := newNotifier(t, config(t, pushtest.NewServer(t, accepting())))
	for _, c := range []push.Content{
		{Payload: json.RawMessage(`[]`)},
		{Payload: json.RawMessage(`{"mine":1}`)},
		{Payload: json.RawMessage(`{"aps":{}}`), Headers: map[string]string{"authorization": "x"}},
		{Payload: json.RawMessage(`{"aps":{}}`), Headers: map[string]string{"apns-priority": "7"}},
		{Payload: json.RawMessage(`{"aps":{}}`), Headers: map[string]string{"apns-expiration": "soon"}},
		{Payload: json.RawMessage(`{"aps":{}}`), Headers: map[string]string{"apns-collapse-id": strings.Repeat("x", 65)}},
	} {
		c.Kind = push.Raw
		_, err := notifier.Prepare(&c)
		var refused *chatbell.SendError
		if !errors.As(err, &refused) || refused.Reason != chatbell.Rejected || refused.Retry {
			t.Errorf("%s, %v: %v", c.Payload, c.Headers, err)
		}
	}
	_, err := notifier.Prepare(&push.Content{Kind: push.Raw, Payload: json.RawMessage(`{"aps":{},"x":"` + strings.Repeat("x", push.MaxPayload) + `"}`)})
	var refused *chatbell.SendError
	if !errors.As(err, &refused) || refused.Reason != chatbell.PayloadTooLarge {
		t.Errorf("too large: %v", err)
	}
}
