package fcm

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"chatbell"
	"chatbell/pipeline/push/internal/h2"
)

// refusal is an answer of FCM as far as it is looked at.
type refusal struct {
	Error struct {
		Status  string `json:"status"`
		Message string `json:"message"`
		Details []struct {
			Type       string `json:"@type"`
			ErrorCode  string `json:"errorCode"`
			Violations []struct {
				Field string `json:"field"`
			} `json:"fieldViolations"`
		} `json:"details"`
	} `json:"error"`
}

const (
	fcmError   = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
	badRequest = "type.googleapis.com/google.rpc.BadRequest"
)

// word is the answer's most precise word: FCM's own code, or else Google's status.
func (r *refusal) word() string {
	for _, d := range r.Error.Details {
		if d.Type == fcmError && d.ErrorCode != "" {
			return d.ErrorCode
		}
	}
	return r.Error.Status
}

// aboutToken reports whether an invalid argument is the registration token.
func (r *refusal) aboutToken() bool {
	for _, d := range r.Error.Details {
		if d.Type != badRequest {
			continue
		}
		for _, v := range d.Violations {
			if v.Field == "message.token" {
				return true
			}
		}
	}
	return strings.Contains(strings.ToLower(r.Error.Message), "registration token")
}

// tooBig reports whether an invalid argument is the payload's size, for which FCM has
// no word of its own.
func (r *refusal) tooBig() bool {
	return strings.Contains(strings.ToLower(r.Error.Message), "too big")
}

// verdict knows every error that FCM documents. A token of another sender counts
// as invalid: it was made for another project, and no try with this credential will
// ever reach the device.
func (r *refusal) verdict(status int) h2.Verdict {
	switch r.word() {
	case "UNREGISTERED":
		return h2.Verdict{Reason: chatbell.Unregistered}
	case "SENDER_ID_MISMATCH":
		return h2.Verdict{Reason: chatbell.InvalidToken}
	case "INVALID_ARGUMENT":
		switch {
		case r.aboutToken():
			return h2.Verdict{Reason: chatbell.InvalidToken}
		case r.tooBig():
			return h2.Verdict{Reason: chatbell.PayloadTooLarge}
		}
		return h2.Verdict{Reason: chatbell.Rejected}
	case "THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR", "UNAUTHENTICATED", "PERMISSION_DENIED":
		return h2.Verdict{Reason: chatbell.Auth}
	case "QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED":
		return h2.Verdict{Reason: chatbell.RateLimited, Retry: true}
	case "UNAVAILABLE", "INTERNAL":
		return h2.Verdict{Reason: chatbell.Unavailable, Retry: true}
	case "DEADLINE_EXCEEDED":
		return h2.Verdict{Reason: chatbell.Timeout, Retry: true, FateUnknown: true}
	}
	return h2.ByStatus(status)
}

// refused is the error for an answer that is not an acceptance. FCM's messages repeat
// what was sent, so only its codes are kept.
func (n *Notifier) refused(t *try, token string) error {
	var refused refusal
	_ = json.Unmarshal(t.answer, &refused) // an answer in other words is judged by its status
	verdict := refused.verdict(t.status)
	failure := &chatbell.SendError{
		Reason:         verdict.Reason,
		Retry:          verdict.Retry,
		FateUnknown:    verdict.FateUnknown,
		RetryAfter:     t.retryAfter,
		Status:         t.status,
		ProviderReason: h2.Word(refused.word(), token),
	}
	if t.status == http.StatusUnauthorized && verdict.Reason == chatbell.Auth && refused.word() != "THIRD_PARTY_AUTH_ERROR" && refused.word() != "APNS_AUTH_ERROR" {
		// The access token is not taken any more. Another try helps with another one.
		failure.Retry = n.tokens.refused(t.bearer, time.Now())
	}
	return failure
}
