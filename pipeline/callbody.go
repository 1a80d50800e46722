package pipeline

import (
	"fmt"

	"chatbell"
	"chatbell/pipeline/webhooks"
)

// body is what a webhook call says: the same bytes on every retry of a call.
func (b *Batch) body() ([]byte, error) {
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
