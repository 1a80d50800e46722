package deliver

import (
	"fmt"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/webhooks"
	"chatbell/pipeline/work"
)

// content is what the batch pushes, in one of its languages.
func content(b *work.Batch, text int) *push.Content {
	c := &push.Content{
		Title:      b.Texts[text].Title,
		Body:       b.Texts[text].Body,
		CollapseID: b.Notification.CollapseID,
		ThreadID:   string(b.Notification.ChannelID),
		ExpiresAt:  b.Notification.ExpiresAt,
		Badge:      b.Badge,
	}
	if p := b.Push; p != nil {
		c.Kind = p.Kind
		c.Priority = p.Priority
		c.Data = p.Data
		c.Payload = p.Payload
		c.Headers = p.Headers
		return c
	}
	c.Data = ownData(b)
	return c
}

// ownData tells the app which event it is about.
func ownData(b *work.Batch) map[string]string {
	n := &b.Notification
	data := map[string]string{"network": string(n.Network), "event_id": string(n.EventID), "event_type": string(n.EventType)}
	if n.ChannelID != "" {
		data["channel_id"] = string(n.ChannelID)
	}
	if b.MessageID != "" {
		data["message_id"] = b.MessageID
	}
	return data
}

// callBody is what a webhook call says: the same bytes on every retry of a call.
func callBody(b *work.Batch) ([]byte, error) {
	if b.Call.Raw {
		body, err := webhooks.RawEventBody(&b.Call.Event)
		if err != nil {
			return nil, fmt.Errorf("make the webhook's body: %w", err)
		}
		return body, nil
	}
	n := &b.Notification
	users := make([]chatbell.UserID, len(b.Targets))
	for i := range b.Targets {
		users[i] = b.Targets[i].User
	}
	body, err := webhooks.PushNotificationBody(&webhooks.PushNotification{
		ID: b.ID, Network: n.Network, Event: &b.Call.Event, SubjectID: n.SubjectID, SentTime: n.AcceptedAt,
		Text: b.Texts[0], Targets: users, Page: b.Call.Page, Pages: b.Call.Pages,
	})
	if err != nil {
		return nil, fmt.Errorf("make the webhook's body: %w", err)
	}
	return body, nil
}
