package fcm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"chatbell"
	"chatbell/pipeline/push"
)

// maxRaw bounds a raw message. FCM's limit of 4,096 bytes counts only texts and data,
// and FCM tells when they are too long; this keeps out what cannot be meant.
const maxRaw = 4 * push.MaxPayload

// prepareRaw takes a message as it is and puts the token into it.
func prepareRaw(content *push.Content) (push.Payload, error) {
	raw := bytes.TrimSpace(content.Payload)
	var message map[string]json.RawMessage
	if err := json.Unmarshal(raw, &message); err != nil || message == nil {
		return nil, rejected("a raw payload must be a JSON object, FCM's message")
	}
	for _, target := range []string{"token", "topic", "condition"} {
		if _, ok := message[target]; ok {
			return nil, rejected(fmt.Sprintf("a raw payload must not hold %q: its targets are the devices", target))
		}
	}
	if len(content.Headers) > 0 {
		return nil, rejected("a raw payload has no headers; FCM's options are in the message")
	}
	if len(raw) > maxRaw {
		return nil, &chatbell.SendError{Reason: chatbell.PayloadTooLarge, Err: fmt.Errorf("fcm: a raw payload has at most %d bytes", maxRaw)}
	}
	rest := bytes.TrimSpace(raw[1:]) // after the brace
	after := []byte{'"'}
	if len(message) > 0 {
		after = append(after, ',')
	}
	after = append(after, rest...)
	return &payload{before: []byte(`{"message":{"token":"`), after: append(after, '}')}, nil
}

func rejected(text string) error {
	return &chatbell.SendError{Reason: chatbell.Rejected, Err: errors.New("fcm: " + text)}
}
