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

// verdict is what an answer means to the pipeline.
type verdict struct {
	reason chatbell.Reason
	retry  bool
	fate   bool // unknown
}

// verdict knows every error that FCM documents. A token of another sender counts
// as invalid: it was made for another project, and no try with this credential will
// ever reach the device.
func (r *refusal) verdict(status int) verdict {
	switch r.word() {
	case "UNREGISTERED":
		return verdict{reason: chatbell.Unregistered}
	case "SENDER_ID_MISMATCH":
		return verdict{reason: chatbell.InvalidToken}
	case "INVALID_ARGUMENT":
		switch {
		case r.aboutToken():
			return verdict{reason: chatbell.InvalidToken}
		case r.tooBig():
			return verdict{reason: chatbell.PayloadTooLarge}
		}
		return verdict{reason: chatbell.Rejected}
	case "THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR", "UNAUTHENTICATED", "PERMISSION_DENIED":
		return verdict{reason: chatbell.Auth}
	case "QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED":
		return verdict{reason: chatbell.RateLimited, retry: true}
	case "UNAVAILABLE", "INTERNAL":
		return verdict{reason: chatbell.Unavailable, retry: true}
	case "DEADLINE_EXCEEDED":
		return verdict{reason: chatbell.Timeout, retry: true, fate: true}
	}
	return verdictByStatus(status)
}

// verdictByStatus judges an answer without a word of FCM's, for example one of a
// proxy. A status alone never says that a token is dead.
func verdictByStatus(status int) verdict {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return verdict{reason: chatbell.Auth}
	case status == http.StatusRequestEntityTooLarge:
		return verdict{reason: chatbell.PayloadTooLarge}
	case status == http.StatusTooManyRequests:
		return verdict{reason: chatbell.RateLimited, retry: true}
	case status == http.StatusRequestTimeout:
		return verdict{reason: chatbell.Timeout, retry: true}
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		// Somebody in between gave up; whoever is behind may have accepted.
		return verdict{reason: chatbell.Unavailable, retry: true, fate: true}
	case status >= 500:
		return verdict{reason: chatbell.Unavailable, retry: true}
	}
	return verdict{reason: chatbell.Rejected}
}

// refused is the error for an answer that is not an acceptance. FCM's messages repeat
// what was sent, so only its codes are kept.
func (n *Notifier) refused(t *try, token string) error {
	var r refusal
	_ = json.Unmarshal(t.answer, &r) // an answer in other words is judged by its status
	v := r.verdict(t.status)
	e := &chatbell.SendError{
		Reason: v.reason, Retry: v.retry, FateUnknown: v.fate, RetryAfter: t.retryAfter,
		Status: t.status, ProviderReason: h2.Word(r.word(), token),
	}
	if t.status == http.StatusUnauthorized && v.reason == chatbell.Auth && r.word() != "THIRD_PARTY_AUTH_ERROR" && r.word() != "APNS_AUTH_ERROR" {
		// The access token is not taken any more. Another try helps with another one.
		e.Retry = n.tokens.refused(t.bearer, time.Now())
	}
	return e
}
