package apns

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/sideshow/apns2"

	"chatbell"
	"chatbell/pipeline/push"
)

// prepareRaw takes a payload as it is. Its type, priority, expiry and the rest are in
// its headers, or else those of an alert.
func prepareRaw(content *push.Content) (push.Payload, error) {
	var body struct {
		Aps map[string]json.RawMessage `json:"aps"`
	}
	if err := json.Unmarshal(content.Payload, &body); err != nil || body.Aps == nil {
		return nil, rejected(errors.New("apns: a raw payload must be a JSON object with the object aps in it"))
	}
	if len(content.Payload) > push.MaxPayload {
		return nil, &chatbell.SendError{Reason: chatbell.PayloadTooLarge, Err: fmt.Errorf("apns: a raw payload has at most %d bytes", push.MaxPayload)}
	}
	once := content.Headers["apns-expiration"] == "0"
	note := header(&push.Content{CollapseID: content.CollapseID, ExpiresAt: content.ExpiresAt, Priority: content.Priority})
	for _, name := range slices.Sorted(maps.Keys(content.Headers)) {
		if err := setHeader(&note, name, content.Headers[name]); err != nil {
			return nil, rejected(fmt.Errorf("apns: header %s: %w", name, err))
		}
	}
	return &payload{body: slices.Clone(content.Payload), header: note, once: once}, nil
}

func rejected(err error) error { return &chatbell.SendError{Reason: chatbell.Rejected, Err: err} }

var (
	errHeader     = errors.New("a raw payload may have apns-collapse-id, apns-expiration, apns-priority, apns-push-type and apns-topic")
	errExpiration = errors.New("must be seconds since 1970")
	errPriority   = errors.New("must be 1, 5 or 10")
	errCollapseID = errors.New("must have at most 64 bytes")
)

// setHeader sets a header by Apple's name for it (Sending notification requests to APNs).
func setHeader(note *apns2.Notification, name, value string) error {
	switch name {
	case "apns-push-type":
		note.PushType = apns2.EPushType(value)
	case "apns-topic":
		note.Topic = value
	case "apns-collapse-id":
		if len(value) > maxCollapseID {
			return errCollapseID
		}
		note.CollapseID = value
	case "apns-priority":
		if value != "1" && value != "5" && value != "10" {
			return errPriority
		}
		note.Priority, _ = strconv.Atoi(value) // one of the three
	case "apns-expiration":
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds < 0 {
			return errExpiration
		}
		note.Expiration = time.Unix(seconds, 0)
	default:
		return errHeader
	}
	return nil
}
