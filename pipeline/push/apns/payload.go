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
func (n *Notifier) Prepare(content *push.Content) (push.Payload, error) {
	if content.Kind == push.Raw {
		return prepareRaw(content)
	}
	body, truncated, err := push.Fit(content, push.MaxPayload, encode)
	if err != nil {
		return nil, fmt.Errorf("apns: %w", err)
	}
	return &payload{body: body, truncated: truncated, header: header(content)}, nil
}

// header is what goes with the payload. Apple refuses a background push of high priority.
func header(content *push.Content) apns2.Notification {
	note := apns2.Notification{
		CollapseID: push.CollapseID(content.CollapseID, maxCollapseID),
		Expiration: content.ExpiresAt,
		Priority:   apns2.PriorityLow,
		PushType:   apns2.PushTypeAlert,
		Payload:    "{}", // the transport sends body
	}
	if content.Kind == push.Background {
		note.PushType = apns2.PushTypeBackground
	} else if content.High() {
		note.Priority = apns2.PriorityHigh
	}
	return note
}

// encode is the payload in Apple's words. Our own data has one key of its own, so
// that it can never be taken for one of the app's.
func encode(content *push.Content) ([]byte, error) {
	body := aps.NewPayload()
	if content.Kind == push.Background {
		body.ContentAvailable()
	} else {
		body.AlertTitle(content.Title).AlertBody(content.Body).Sound("default")
	}
	if content.ThreadID != "" {
		body.ThreadID(content.ThreadID)
	}
	if content.Badge != nil {
		body.Badge(*content.Badge)
	}
	if len(content.Data) > 0 {
		body.Custom("chatbell", content.Data)
	}
	return json.Marshal(body)
}
