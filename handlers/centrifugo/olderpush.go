package centrifugo

import (
	"context"
	"encoding/json"
)

// olderPush is a push as the older product had it: the message of FCM itself, for devices
// and channels.
type olderPush struct {
	Recipient struct {
		DeviceIDs []string `json:"device_ids"`
		Channels  []string `json:"channels"`
		FCMTokens []string `json:"fcm_tokens"`
		FCMTopic  string   `json:"fcm_topic"`
	} `json:"recipient"`
	Notification struct {
		FCM      json.RawMessage `json:"fcm"`
		ExpireAt int64           `json:"expire_at"`
	} `json:"notification"`
	UID      string `json:"uid"`
	ExpireAt int64  `json:"expire_at"`
}

// isOlderPush tells by what is said to whom a push goes, and what it says.
func isOlderPush(params json.RawMessage) bool {
	var said struct {
		Recipient    map[string]json.RawMessage `json:"recipient"`
		Notification struct {
			FCM map[string]json.RawMessage `json:"fcm"`
		} `json:"notification"`
	}
	if json.Unmarshal(params, &said) != nil {
		return false
	}
	_, devices := said.Recipient["device_ids"]
	_, channels := said.Recipient["channels"]
	_, message := said.Notification.FCM["message"]
	return devices || channels || said.Notification.FCM != nil && !message
}

func (a *api) olderSend(ctx context.Context, c *call, in *olderPush) (*SendPushNotificationResult, error) {
	now := &SendPushNotificationRequest{
		UID:       in.UID,
		Recipient: &PushRecipient{FCMTokens: in.Recipient.FCMTokens, FCMTopic: in.Recipient.FCMTopic},
		Notification: &PushNotification{
			FCM:      &FCMPushNotification{Message: in.Notification.FCM},
			ExpireAt: max(in.ExpireAt, in.Notification.ExpireAt),
		},
	}
	if len(in.Recipient.DeviceIDs)+len(in.Recipient.Channels) > 0 {
		now.Recipient.Filter = &DeviceFilter{IDs: in.Recipient.DeviceIDs, Topics: in.Recipient.Channels}
	}
	return a.sendPush(ctx, c, now)
}
