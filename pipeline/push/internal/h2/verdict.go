package h2

import (
	"net/http"

	"chatbell"
)

// Verdict is what a provider's refusal means to the pipeline.
type Verdict struct {
	Reason chatbell.Reason
	// Retry says that another try can help.
	Retry bool
	// FateUnknown says that somebody may have accepted all the same.
	FateUnknown bool
}

// ByStatus judges an answer without a word of the provider's that is known, for example
// one of a proxy. A status alone never says that a token is dead.
func ByStatus(status int) Verdict {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return Verdict{Reason: chatbell.Auth}
	case status == http.StatusRequestEntityTooLarge:
		return Verdict{Reason: chatbell.PayloadTooLarge}
	case status == http.StatusTooManyRequests:
		return Verdict{Reason: chatbell.RateLimited, Retry: true}
	case status == http.StatusRequestTimeout:
		return Verdict{Reason: chatbell.Timeout, Retry: true}
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		// Somebody in between gave up; whoever is behind may have accepted.
		return Verdict{Reason: chatbell.Unavailable, Retry: true, FateUnknown: true}
	case status >= 500:
		return Verdict{Reason: chatbell.Unavailable, Retry: true}
	}
	return Verdict{Reason: chatbell.Rejected}
}
