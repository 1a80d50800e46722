package apns

import (
	"net/http"
	"time"

	"github.com/sideshow/apns2"

	"chatbell"
	"chatbell/pipeline/push/internal/h2"
)

// verdictOf knows every reason that Apple documents. Those about the device are final
// for this token; those about us (Auth) are mended by the operator; those about the
// moment are worth another try.
func verdictOf(word string) (h2.Verdict, bool) {
	switch word {
	case apns2.ReasonUnregistered, apns2.ReasonExpiredToken:
		return h2.Verdict{Reason: chatbell.Unregistered}, true
	case apns2.ReasonBadDeviceToken, apns2.ReasonDeviceTokenNotForTopic, apns2.ReasonMissingDeviceToken:
		return h2.Verdict{Reason: chatbell.InvalidToken}, true
	case apns2.ReasonPayloadTooLarge:
		return h2.Verdict{Reason: chatbell.PayloadTooLarge}, true
	case apns2.ReasonBadCertificate, apns2.ReasonBadCertificateEnvironment, apns2.ReasonExpiredProviderToken,
		apns2.ReasonForbidden, apns2.ReasonInvalidProviderToken, apns2.ReasonMissingProviderToken,
		apns2.ReasonBadTopic, apns2.ReasonMissingTopic, apns2.ReasonTopicDisallowed,
		"BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken", "UnrelatedKeyIdInToken":
		return h2.Verdict{Reason: chatbell.Auth}, true
	case apns2.ReasonTooManyRequests, apns2.ReasonTooManyProviderTokenUpdates:
		return h2.Verdict{Reason: chatbell.RateLimited, Retry: true}, true
	case apns2.ReasonIdleTimeout, apns2.ReasonInternalServerError, apns2.ReasonServiceUnavailable, apns2.ReasonShutdown:
		return h2.Verdict{Reason: chatbell.Unavailable, Retry: true}, true
	case apns2.ReasonBadCollapseID, apns2.ReasonBadExpirationDate, apns2.ReasonBadMessageID, apns2.ReasonBadPriority,
		apns2.ReasonDuplicateHeaders, apns2.ReasonInvalidPushType, apns2.ReasonPayloadEmpty,
		apns2.ReasonBadPath, apns2.ReasonMethodNotAllowed:
		return h2.Verdict{Reason: chatbell.Rejected}, true
	}
	return h2.Verdict{}, false
}

// wrongClock is the wait before a push is tried again whose provider token is young and
// counts as expired: somebody, or NTP, has to set the clock.
const wrongClock = time.Minute

// refused is the error for an answer that is not an acceptance.
func (n *Notifier) refused(resp *apns2.Response, t *try, token string) error {
	verdict, known := verdictOf(resp.Reason)
	switch {
	case known:
	case resp.StatusCode == http.StatusGone && resp.Reason != "":
		verdict = h2.Verdict{Reason: chatbell.Unregistered} // Apple's words, only newer than ours
	default:
		verdict = h2.ByStatus(resp.StatusCode)
	}
	failure := &chatbell.SendError{
		Reason:         verdict.Reason,
		Retry:          verdict.Retry,
		FateUnknown:    verdict.FateUnknown,
		RetryAfter:     t.retryAfter,
		Status:         resp.StatusCode,
		ProviderReason: h2.Word(resp.Reason, token),
	}
	switch {
	case resp.Reason == apns2.ReasonExpiredProviderToken:
		// Another try helps only with another provider token: at once where there is one now,
		// or else when the clock that made a young one has been set.
		failure.Retry = true
		if !n.keys.expired(t.bearer, time.Now()) {
			failure.RetryAfter = max(failure.RetryAfter, wrongClock)
		}
	case verdict.Reason == chatbell.Unregistered:
		failure.DeadSince = t.deadSince
	}
	return failure
}
