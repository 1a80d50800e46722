package apns

import (
	"net/http"
	"time"

	"github.com/sideshow/apns2"

	"chatbell"
	"chatbell/pipeline/push/internal/h2"
)

// verdict is what an answer means to the pipeline.
type verdict struct {
	reason chatbell.Reason
	retry  bool
	fate   bool // unknown
}

// verdictOf knows every reason that Apple documents. Those about the device are final
// for this token; those about us (Auth) are mended by the operator; those about the
// moment are worth another try.
func verdictOf(word string) (verdict, bool) {
	switch word {
	case apns2.ReasonUnregistered, apns2.ReasonExpiredToken:
		return verdict{reason: chatbell.Unregistered}, true
	case apns2.ReasonBadDeviceToken, apns2.ReasonDeviceTokenNotForTopic, apns2.ReasonMissingDeviceToken:
		return verdict{reason: chatbell.InvalidToken}, true
	case apns2.ReasonPayloadTooLarge:
		return verdict{reason: chatbell.PayloadTooLarge}, true
	case apns2.ReasonBadCertificate, apns2.ReasonBadCertificateEnvironment, apns2.ReasonExpiredProviderToken,
		apns2.ReasonForbidden, apns2.ReasonInvalidProviderToken, apns2.ReasonMissingProviderToken,
		apns2.ReasonBadTopic, apns2.ReasonMissingTopic, apns2.ReasonTopicDisallowed,
		"BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken", "UnrelatedKeyIdInToken":
		return verdict{reason: chatbell.Auth}, true
	case apns2.ReasonTooManyRequests, apns2.ReasonTooManyProviderTokenUpdates:
		return verdict{reason: chatbell.RateLimited, retry: true}, true
	case apns2.ReasonIdleTimeout, apns2.ReasonInternalServerError, apns2.ReasonServiceUnavailable, apns2.ReasonShutdown:
		return verdict{reason: chatbell.Unavailable, retry: true}, true
	case apns2.ReasonBadCollapseID, apns2.ReasonBadExpirationDate, apns2.ReasonBadMessageID, apns2.ReasonBadPriority,
		apns2.ReasonDuplicateHeaders, apns2.ReasonInvalidPushType, apns2.ReasonPayloadEmpty,
		apns2.ReasonBadPath, apns2.ReasonMethodNotAllowed:
		return verdict{reason: chatbell.Rejected}, true
	}
	return verdict{}, false
}

// verdictByStatus judges an answer whose reason is unknown or missing, for example
// one of a proxy. A status alone never says that a token is dead.
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

// refused is the error for an answer that is not an acceptance.
func (n *Notifier) refused(resp *apns2.Response, t *try, token string) error {
	v, known := verdictOf(resp.Reason)
	switch {
	case known:
	case resp.StatusCode == http.StatusGone && resp.Reason != "":
		v = verdict{reason: chatbell.Unregistered} // Apple's words, only newer than ours
	default:
		v = verdictByStatus(resp.StatusCode)
	}
	e := &chatbell.SendError{
		Reason: v.reason, Retry: v.retry, FateUnknown: v.fate, RetryAfter: t.retryAfter,
		Status: resp.StatusCode, ProviderReason: h2.Word(resp.Reason, token),
	}
	switch {
	case resp.Reason == apns2.ReasonExpiredProviderToken:
		// Another try helps only with another provider token.
		e.Retry = n.keys.expired(t.bearer, time.Now())
	case v.reason == chatbell.Unregistered:
		e.DeadSince = resp.Timestamp.Time
	}
	return e
}
