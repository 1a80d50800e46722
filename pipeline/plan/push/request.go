package push

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/pipeline/work"
)

// Kind is the kind of these requests.
const Kind work.Kind = "push"

// EventType is what the rows of a push call it.
const EventType chatbell.EventType = "push"

// MaxRequest bounds a request, in bytes of JSON: what the broker takes, as for events. It
// holds some 2,500 tokens.
const MaxRequest = chatbell.MaxEventSize

// Request is a push as it waits in the broker.
type Request struct {
	Network chatbell.NetworkID `json:"network"`
	// ID is the idempotency key, and the event id of the rows.
	ID string `json:"id"`
	// Group is what the customer counts it under, if not by itself: the rows' subject id.
	Group      string          `json:"group,omitempty"`
	AcceptedAt time.Time       `json:"accepted_at"`
	ExpiresAt  time.Time       `json:"expires_at,omitzero"`
	Source     chatbell.Source `json:"source"`
	// TraceParent is the W3C traceparent of the call, or empty.
	TraceParent string `json:"traceparent,omitempty"`

	// To chooses devices; nil where Tokens says where it goes.
	To     *store.DeviceChoice `json:"to,omitempty"`
	Tokens []Token             `json:"tokens,omitempty"`

	// Blocks are the payloads, by provider. A device of a provider without one is not told.
	Blocks map[chatbell.Provider]Block `json:"blocks"`
	// Templating says that the payloads are templates, Meta that these know a device's meta.
	Templating bool `json:"templating,omitempty"`
	Meta       bool `json:"meta,omitempty"`
	// Localizations are the words of templates by language.
	Localizations map[string]map[string]string `json:"localizations,omitempty"`
}

// Token is a push token of no known device.
type Token struct {
	Provider chatbell.Provider `json:"provider"`
	Token    string            `json:"token"`
}

// Block is a payload in a provider's own words, with the headers that go with it.
type Block struct {
	Headers map[string]string `json:"headers,omitempty"`
	Payload json.RawMessage   `json:"payload"`
	// App is for devices that do not say theirs; empty where there is only one.
	App string `json:"app,omitempty"`
}

// ErrTooLarge says that a request is larger than [MaxRequest].
var ErrTooLarge = errors.New("the push is too large")

// Key orders pushes among each other: each for itself.
func (r *Request) Key() string { return string(r.Network) + "\x00\x02" + r.ID }

// Encode writes the request for the broker.
func (r *Request) Encode() ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode push %s: %w", r.ID, err)
	}
	if len(data) > MaxRequest {
		return nil, ErrTooLarge
	}
	return data, nil
}
