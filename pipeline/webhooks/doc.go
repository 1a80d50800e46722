// Package webhooks calls customers' HTTP endpoints.
//
// [Client.Deliver] makes one try and says whether another can help; the pipeline
// says when. A nil error means that the endpoint accepted with a 2xx status. Every
// other result is a *chatbell.SendError, or the caller's own cancelled context.
//
// # What a receiver sees
//
// A POST of JSON, signed as the Standard Webhooks specification says: webhook-id
// (the same on every retry, so that a receiver can drop repeats), webhook-timestamp
// (the time of this try) and webhook-signature (v1). An endpoint that asks for it
// also gets x-amity-signature. The header chatbell-attempt counts the tries from 1.
//
// # What an answer means
//
//	2xx                    accepted
//	410                    endpoint_disabled, never tried again
//	429                    rate_limited
//	408, or none in time   timeout
//	5xx                    unavailable
//	3xx, other 4xx         rejected; redirects are never followed
//
// All but 410 are tried again, as the field does: a wrong route, a lost secret or a
// body limit is the customer's to mend, and the retry schedule leaves days for it.
// Retry-After is honoured up to backoff.MaxRetryAfter, a day.
//
// # Where a call may go
//
// The address is judged when the connection is made, after the name was resolved:
// private, loopback, link-local, carrier-grade NAT and other special addresses are
// refused unless the configuration allows them, so that a customer's URL cannot
// reach the operator's own network, whatever its DNS answers. Plain http is for the
// allowed addresses only. Proxy variables of the environment are ignored, because
// behind a proxy nobody could judge the address.
//
// A Client is safe for concurrent use. The functions that build bodies are pure.
package webhooks
