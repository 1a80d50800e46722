package apns

import (
	"encoding/json"
	"fmt"

	"github.com/sideshow/apns2"
	aps "github.com/sideshow/apns2/payload"

	"chatbell/pipeline/push"
)

// maxCollapseID is Apple's limit, in bytes.
const maxCollapseID = 64

// payload is a prepared notification: the encoded body, and what becomes headers.
type payload struct {
	body      []byte
	header    apns2.Notification
	truncated bool
	// once asks Apple to try once and to keep nothing (an expiration of 0), for which
	// the library's header has no value.
	once bool
}

// Truncated implements push.Payload.
func (p *payload) Truncated() bool { return p.truncated }

// Size implements push.Payload: Apple counts the body of the request.
func (p *payload) Size() int { return len(p.body) }

// Prepare encodes content once for all targets. A raw payload is the whole JSON of a
// request's body, with Apple's dictionary aps in it. See push.Notifier.
func (n *Notifier) Prepare(c *push.Content) (push.Payload, error) {
	if c.Kind == push.Raw {
		return prepareRaw(c)
	}
	body, truncated, err := push.Fit(c, push.MaxPayload, encode)
	if err != nil {
		return nil, fmt.Errorf("apns: %w", err)
	}
	return &payload{body: body, truncated: truncated, header: header(c)}, nil
}

// header is what goes with the payload. Apple refuses a background push of high priority.
func header(c *push.Content) apns2.Notification {
	h := apns2.Notification{
		CollapseID: push.CollapseID(c.CollapseID, maxCollapseID),
		Expiration: c.ExpiresAt,
		Priority:   apns2.PriorityLow,
		PushType:   apns2.PushTypeAlert,
		Payload:    "{}", // the transport sends body
	}
	if c.Kind == push.Background {
		h.PushType = apns2.PushTypeBackground
	} else if c.High() {
		h.Priority = apns2.PriorityHigh
	}
	return h
}

// encode is the payload in Apple's words. Our own data has one key of its own, so
// that it can never be taken for one of the app's.
func encode(c *push.Content) ([]byte, error) {
	p := aps.NewPayload()
	if c.Kind == push.Background {
		p.ContentAvailable()
	} else {
		p.AlertTitle(c.Title).AlertBody(c.Body).Sound("default")
	}
	if c.ThreadID != "" {
		p.ThreadID(c.ThreadID)
	}
	if c.Badge != nil {
		p.Badge(*c.Badge)
	}
	if len(c.Data) > 0 {
		p.Custom("chatbell", c.Data)
	}
	return json.Marshal(p)
}
