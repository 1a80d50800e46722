package fcm_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"chatbell"
	"chatbell/pipeline/push"
)

// Raw content that the service could not take is refused before anything is sent.
func TestRawRefused(t *testing.T) {
	_, notifier, _ := start(t, &tokenEndpoint{})
	for _, c := range []push.Content{
		{Payload: json.RawMessage(`[]`)},
		{Payload: json.RawMessage(`null`)},
		{Payload: json.RawMessage(`{"topic":"news"}`)},
		{Payload: json.RawMessage(`{"\u0074oken":"mine"}`)},
		{Payload: json.RawMessage(`{}`), Headers: map[string]string{"apns-priority": "5"}},
	} {
		c.Kind = push.Raw
		_, err := notifier.Prepare(&c)
		var refused *chatbell.SendError
		if !errors.As(err, &refused) || refused.Reason != chatbell.Rejected || refused.Retry {
			t.Errorf("%s, %v: %v", c.Payload, c.Headers, err)
		}
	}
	_, err := notifier.Prepare(&push.Content{Kind: push.Raw, Payload: json.RawMessage(`{"x":"` + strings.Repeat("x", 5*push.MaxPayload) + `"}`)})
	var refused *chatbell.SendError
	if !errors.As(err, &refused) || refused.Reason != chatbell.PayloadTooLarge {
		t.Errorf("too large: %v", err)
	}
}
