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
	b := make([]byte, 0, len(p.before)+len(token)+len(p.after)+8)
	b = append(b, p.before...)
	b = append(b, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(token)...)
	return append(b, p.after...)
}

// mark stands where the token goes until a target is known.
const mark = "\x00token\x00"

// Prepare encodes content once for all targets. A raw payload is FCM's object message
// without its target. See push.Notifier.
func (n *Notifier) Prepare(c *push.Content) (push.Payload, error) {
	if c.Kind == push.Raw {
		return prepareRaw(c)
	}
	for k := range c.Data {
		if reserved(k) {
			return nil, &chatbell.SendError{
				Reason: chatbell.Rejected, Err: fmt.Errorf("fcm: data key %q is reserved by FCM; use another name", k),
			}
		}
	}
	now := time.Now()
	encode := func(c *push.Content) ([]byte, error) { return encode(c, now) }
	body, truncated, err := push.Fit(c, push.MaxPayload-tokenRoom, encode)
	if err != nil {
		return nil, fmt.Errorf("fcm: %w", err)
	}
	key, err := json.Marshal(map[string]string{"token": mark})
	if err != nil {
		return nil, fmt.Errorf("fcm: %w", err)
	}
	// The library writes the token last, so the last match is the field itself.
	at := bytes.LastIndex(body, key[1:len(key)-1])
	if at < 0 {
		return nil, &chatbell.SendError{Reason: chatbell.Other, Err: errors.New("fcm: the client library encodes the token in an unknown way")}
	}
	at += len(`"token":"`)
	return &payload{before: body[:at], after: body[at+len(key)-len(`{"token":""}`):], truncated: truncated}, nil
}

// reserved are the names that FCM refuses as keys of data.
func reserved(key string) bool {
	return key == "from" || key == "message_type" || strings.HasPrefix(key, "google.") || strings.HasPrefix(key, "gcm.")
}

// encode is the request in FCM's words, with a mark for the token.
func encode(c *push.Content, now time.Time) ([]byte, error) {
	collapse := push.CollapseID(c.CollapseID, maxCollapseID)
	m := &messaging.Message{
		Token:   mark,
		Data:    c.Data,
		Android: &messaging.AndroidConfig{Priority: "normal"},
		APNS:    &messaging.APNSConfig{Headers: map[string]string{"apns-push-type": "alert", "apns-priority": "5"}},
	}
	if c.High() {
		m.Android.Priority = "high"
		m.APNS.Headers["apns-priority"] = "10"
	}
	if c.Kind == push.Background {
		m.APNS.Headers["apns-push-type"] = "background"
		m.APNS.Headers["apns-priority"] = "5" // Apple refuses another
		m.APNS.Payload = &messaging.APNSPayload{Aps: &messaging.Aps{ContentAvailable: true, ThreadID: c.ThreadID, Badge: c.Badge}}
	} else {
		m.Notification = &messaging.Notification{Title: c.Title, Body: c.Body}
		m.Android.Notification = &messaging.AndroidNotification{Tag: collapse, NotificationCount: c.Badge, DefaultSound: true}
		m.APNS.Payload = &messaging.APNSPayload{Aps: &messaging.Aps{Sound: "default", ThreadID: c.ThreadID, Badge: c.Badge}}
	}
	if collapse != "" {
		m.APNS.Headers["apns-collapse-id"] = collapse
	}
	if !c.ExpiresAt.IsZero() {
		ttl := min(max(c.ExpiresAt.Sub(now).Truncate(time.Second), 0), maxTTL)
		m.Android.TTL = &ttl
		m.APNS.Headers["apns-expiration"] = strconv.FormatInt(c.ExpiresAt.Unix(), 10)
	}
	return json.Marshal(struct {
		Message *messaging.Message `json:"message"`
	}{m})
}
