package fcm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"firebase.google.com/go/v4/messaging"

	"chatbell"
	"chatbell/pipeline/push"
)

const (
	// maxCollapseID is what Apple takes, since FCM passes it on.
	maxCollapseID = 64
	// tokenRoom is kept free for the registration token, so that the whole request
	// stays within the limit and not only what Google counts of it. Tokens have some
	// 160 bytes; a longer one costs no more than this margin.
	tokenRoom = 256
	// maxTTL is the longest time for which FCM keeps a message.
	maxTTL = 28 * 24 * time.Hour
)

// payload is a prepared notification: the request, encoded around the token.
type payload struct {
	before, after []byte
	truncated     bool
}

// Truncated implements push.Payload.
func (p *payload) Truncated() bool { return p.truncated }

// Size implements push.Payload: the request without the token.
func (p *payload) Size() int { return len(p.before) + len(p.after) }

// bodyFor is the request for one device. A token is printable ASCII, and quoting it
// escapes what JSON needs escaped in that.
func (p *payload) bodyFor(token string) []byte {
	data := make([]byte, 0, len(p.before)+len(token)+len(p.after)+8)
	data = append(data, p.before...)
	data = append(data, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(token)...)
	return append(data, p.after...)
}

// mark stands where the token goes until a target is known.
const mark = "\x00token\x00"

// Prepare encodes content once for all targets. A raw payload is FCM's object message
// without its target. See push.Notifier.
func (n *Notifier) Prepare(content *push.Content) (push.Payload, error) {
	if content.Kind == push.Raw {
		return prepareRaw(content)
	}
	for name := range content.Data {
		if reserved(name) {
			return nil, &chatbell.SendError{
				Reason: chatbell.Rejected, Err: fmt.Errorf("fcm: data key %q is reserved by FCM; use another name", name),
			}
		}
	}
	now := time.Now()
	encode := func(c *push.Content) ([]byte, error) { return encode(c, now) }
	body, truncated, err := push.Fit(content, push.MaxPayload-tokenRoom, encode)
	if err != nil {
		return nil, fmt.Errorf("fcm: %w", err)
	}
	key, err := json.Marshal(map[string]string{"token": mark})
	if err != nil {
		return nil, fmt.Errorf("fcm: %w", err)
	}
	// The library writes the token last, so the last match is the field itself.
	pos := bytes.LastIndex(body, key[1:len(key)-1])
	if pos < 0 {
		return nil, &chatbell.SendError{Reason: chatbell.Other, Err: errors.New("fcm: the client library encodes the token in an unknown way")}
	}
	pos += len(`"token":"`)
	return &payload{before: body[:pos], after: body[pos+len(key)-len(`{"token":""}`):], truncated: truncated}, nil
}

// reserved are the names that FCM refuses as keys of data.
func reserved(key string) bool {
	return key == "from" || key == "message_type" || strings.HasPrefix(key, "google.") || strings.HasPrefix(key, "gcm.")
}

// encode is the request in FCM's words, with a mark for the token.
func encode(content *push.Content, now time.Time) ([]byte, error) {
	collapse := push.CollapseID(content.CollapseID, maxCollapseID)
	message := &messaging.Message{
		Token:   mark,
		Data:    content.Data,
		Android: &messaging.AndroidConfig{Priority: "normal"},
		APNS:    &messaging.APNSConfig{Headers: map[string]string{"apns-push-type": "alert", "apns-priority": "5"}},
	}
	if content.High() {
		message.Android.Priority = "high"
		message.APNS.Headers["apns-priority"] = "10"
	}
	if content.Kind == push.Background {
		message.APNS.Headers["apns-push-type"] = "background"
		message.APNS.Headers["apns-priority"] = "5" // Apple refuses another
		message.APNS.Payload = &messaging.APNSPayload{Aps: &messaging.Aps{
			ContentAvailable: true,
			ThreadID:         content.ThreadID,
			Badge:            content.Badge,
		}}
	} else {
		message.Notification = &messaging.Notification{Title: content.Title, Body: content.Body}
		message.Android.Notification = &messaging.AndroidNotification{
			Tag:               collapse,
			NotificationCount: content.Badge,
			DefaultSound:      true,
		}
		message.APNS.Payload = &messaging.APNSPayload{Aps: &messaging.Aps{
			Sound:    "default",
			ThreadID: content.ThreadID,
			Badge:    content.Badge,
		}}
	}
	if collapse != "" {
		message.APNS.Headers["apns-collapse-id"] = collapse
	}
	if !content.ExpiresAt.IsZero() {
		ttl := min(max(content.ExpiresAt.Sub(now).Truncate(time.Second), 0), maxTTL)
		message.Android.TTL = &ttl
		message.APNS.Headers["apns-expiration"] = strconv.FormatInt(content.ExpiresAt.Unix(), 10)
	}
	return json.Marshal(struct {
		Message *messaging.Message `json:"message"`
	}{message})
}
