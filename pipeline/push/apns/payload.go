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
}

// Truncated implements push.Payload.
func (p *payload) Truncated() bool { return p.truncated }

// Size implements push.Payload: Apple counts the body of the request.
func (p *payload) Size() int { return len(p.body) }

// Prepare encodes a notification once for all targets. See push.Notifier.
func (n *Notifier) Prepare(note *push.Notification) (push.Payload, error) {
	body, truncated, err := push.Fit(note, push.MaxPayload, encode)
	if err != nil {
		return nil, fmt.Errorf("apns: %w", err)
	}
	return &payload{body: body, truncated: truncated, header: apns2.Notification{
		CollapseID: push.CollapseID(note.CollapseID, maxCollapseID),
		Expiration: note.ExpiresAt,
		Priority:   apns2.PriorityHigh,
		PushType:   apns2.PushTypeAlert,
		Payload:    "{}", // the transport sends body
	}}, nil
}

// encode is the payload in Apple's words. Our own data has one key of its own, so
// that it can never be taken for one of the app's.
func encode(n *push.Notification) ([]byte, error) {
	p := aps.NewPayload().AlertTitle(n.Title).AlertBody(n.Body).Sound("default")
	if n.ThreadID != "" {
		p.ThreadID(n.ThreadID)
	}
	if n.Badge != nil {
		p.Badge(*n.Badge)
	}
	if len(n.Data) > 0 {
		p.Custom("chatbell", n.Data)
	}
	return json.Marshal(p)
}
