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
	made := &push.Content{
		Title:      b.Texts[text].Title,
		Body:       b.Texts[text].Body,
		CollapseID: b.Notification.CollapseID,
		ThreadID:   string(b.Notification.ChannelID),
		ExpiresAt:  b.Notification.ExpiresAt,
		Badge:      b.Badge,
	}
	if p := b.Push; p != nil {
		made.Kind = p.Kind
		made.Priority = p.Priority
		made.Data = p.Data
		made.Payload = p.Payload
		made.Headers = p.Headers
		return made
	}
	made.Data = ownData(b)
	return made
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
		ID:        b.ID,
		Network:   n.Network,
		Event:     &b.Call.Event,
		SubjectID: n.SubjectID,
		SentTime:  n.AcceptedAt,
		Text:      b.Texts[0],
		Targets:   users,
		Page:      b.Call.Page,
		Pages:     b.Call.Pages,
	})
	if err != nil {
		return nil, fmt.Errorf("make the webhook's body: %w", err)
	}
	return body, nil
}
