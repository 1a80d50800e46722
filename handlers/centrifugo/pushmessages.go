package centrifugo

import "encoding/json"

// The messages of pushes, as api.proto has them.

// PushRecipient is the message of that name.
type PushRecipient struct {
	Filter        *DeviceFilter `json:"filter,omitempty" pb:"1"`
	FCMTokens     []string      `json:"fcm_tokens,omitempty" pb:"2"`
	FCMTopic      string        `json:"fcm_topic,omitempty" pb:"3"`
	FCMCondition  string        `json:"fcm_condition,omitempty" pb:"4"`
	HMSTokens     []string      `json:"hms_tokens,omitempty" pb:"5"`
	HMSTopic      string        `json:"hms_topic,omitempty" pb:"6"`
	HMSCondition  string        `json:"hms_condition,omitempty" pb:"7"`
	APNsTokens    []string      `json:"apns_tokens,omitempty" pb:"8"`
	WebpushTokens []string      `json:"webpush_tokens,omitempty" pb:"9"`
}

// FCMPushNotification is the message of that name.
type FCMPushNotification struct {
	Message json.RawMessage `json:"message,omitempty" pb:"1"`
}

// HMSPushNotification is the message of that name.
type HMSPushNotification struct {
	Message json.RawMessage `json:"message,omitempty" pb:"1"`
}

// APNsPushNotification is the message of that name.
type APNsPushNotification struct {
	Headers map[string]string `json:"headers,omitempty" pb:"1"`
	Payload json.RawMessage   `json:"payload,omitempty" pb:"2"`
}

// WebPushNotification is the message of that name.
type WebPushNotification struct {
	Headers map[string]string `json:"headers,omitempty" pb:"1"`
	Payload json.RawMessage   `json:"payload,omitempty" pb:"2"`
}

// PushNotification is the message of that name.
type PushNotification struct {
	FCM      *FCMPushNotification  `json:"fcm,omitempty" pb:"1"`
	HMS      *HMSPushNotification  `json:"hms,omitempty" pb:"2"`
	APNs     *APNsPushNotification `json:"apns,omitempty" pb:"3"`
	Webpush  *WebPushNotification  `json:"webpush,omitempty" pb:"4"`
	ExpireAt int64                 `json:"expire_at,omitempty" pb:"5"`
}

// RateLimitPolicy is the message of that name.
type RateLimitPolicy struct {
	Rate       int64 `json:"rate,omitempty" pb:"1"`
	IntervalMS int64 `json:"interval_ms,omitempty" pb:"2"`
}

// PushRateLimitStrategy is the message of that name.
type PushRateLimitStrategy struct {
	Key               string             `json:"key,omitempty" pb:"1"`
	Policies          []*RateLimitPolicy `json:"policies,omitempty" pb:"2"`
	DropIfRateLimited bool               `json:"drop_if_rate_limited,omitempty" pb:"3"`
}

// PushTimeLimitStrategy is the message of that name.
type PushTimeLimitStrategy struct {
	SendAfterTime  string `json:"send_after_time,omitempty" pb:"1"`
	SendBeforeTime string `json:"send_before_time,omitempty" pb:"2"`
	NoTZSendNow    bool   `json:"no_tz_send_now,omitempty" pb:"3"`
}

// PushLimitStrategy is the message of that name.
type PushLimitStrategy struct {
	RateLimit *PushRateLimitStrategy `json:"rate_limit,omitempty" pb:"1"`
	TimeLimit *PushTimeLimitStrategy `json:"time_limit,omitempty" pb:"2"`
}

// PushLocalization is the message of that name.
type PushLocalization struct {
	Translations map[string]string `json:"translations,omitempty" pb:"1"`
}

// SendPushNotificationRequest is the message of that name.
type SendPushNotificationRequest struct {
	Recipient              *PushRecipient               `json:"recipient,omitempty" pb:"1"`
	Notification           *PushNotification            `json:"notification,omitempty" pb:"2"`
	UID                    string                       `json:"uid,omitempty" pb:"3"`
	SendAt                 int64                        `json:"send_at,omitempty" pb:"4"`
	OptimizeForReliability bool                         `json:"optimize_for_reliability,omitempty" pb:"5"`
	LimitStrategy          *PushLimitStrategy           `json:"limit_strategy,omitempty" pb:"6"`
	AnalyticsUID           string                       `json:"analytics_uid,omitempty" pb:"7"`
	Localizations          map[string]*PushLocalization `json:"localizations,omitempty" pb:"8"`
	UseTemplating          bool                         `json:"use_templating,omitempty" pb:"9"`
	UseMeta                bool                         `json:"use_meta,omitempty" pb:"10"`
}

// SendPushNotificationResult is the message of that name.
type SendPushNotificationResult struct {
	UID string `json:"uid,omitempty" pb:"1"`
}

// UpdatePushStatusRequest is the message of that name.
type UpdatePushStatusRequest struct {
	AnalyticsUID string `json:"analytics_uid,omitempty" pb:"1"`
	Status       string `json:"status,omitempty" pb:"2"`
	DeviceID     string `json:"device_id,omitempty" pb:"3"`
	MsgID        string `json:"msg_id,omitempty" pb:"4"`
}

// UpdatePushStatusResult is the message of that name.
type UpdatePushStatusResult struct{}

// CancelPushRequest is the message of that name.
type CancelPushRequest struct {
	UID string `json:"uid,omitempty" pb:"1"`
}

// CancelPushResult is the message of that name.
type CancelPushResult struct{}
