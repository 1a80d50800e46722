package metrics

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// What becomes of an event at intake. The list is closed.
const (
	EventAccepted  = "accepted"
	EventDuplicate = "duplicate" // its id was accepted within dedup_window
	EventRejected  = "rejected"  // it is wrong; the caller was told how
	EventRefused   = "refused"   // no room; the caller was told to come again
	EventFailed    = "failed"    // the broker did not take it
)

// refusals are why a request's credential was not accepted.
var refusals = []string{"none", "unknown", "expired", "scope"}

// LimitBodies is the memory of the bodies of one network's requests.
const LimitBodies = "bodies"

// limits are those of one network.
var limits = []string{"events_per_second", "bytes_per_second", "backlog", "storage", LimitBodies}

func (r *Registry) intakeMetrics() {
	r.events = r.counters("chatbell_events_total", "Events by what became of them at intake.", "status")
	for _, label := range []string{EventAccepted, EventDuplicate, EventRejected, EventRefused, EventFailed} {
		r.events.WithLabelValues(label) // 0 is a value: a rate needs a beginning
	}
	r.overLimit = r.counters("chatbell_network_refusals_total", "Requests that were refused because their own network had reached a limit; no other network is affected.", "limit")
	for _, limit := range limits {
		r.overLimit.WithLabelValues(limit)
	}
	r.refused = r.counters("chatbell_credentials_refused_total", "Requests without a credential for their route: none was sent, it is unknown or expired, or its scope is another.", "reason")
	for _, why := range refusals {
		r.refused.WithLabelValues(why)
	}
	r.requests = r.counters("chatbell_http_requests_total", "HTTP requests by route and status.", "method", "route", "code")
	r.requestTime = r.histograms("chatbell_http_request_duration_seconds", "Time until a request was answered.", fastBuckets, "method", "route")
}

// Event counts n events with the same status.
func (r *Registry) Event(status string, n int) { r.events.WithLabelValues(status).Add(float64(n)) }

// OverLimit counts a request that was refused because its network had reached a limit.
func (r *Registry) OverLimit(limit string) {
	if !slices.Contains(limits, limit) {
		limit = other
	}
	r.overLimit.WithLabelValues(limit).Inc()
}

// Refused counts a request without a credential for its route.
func (r *Registry) Refused(why string) {
	if !slices.Contains(refusals, why) {
		why = other
	}
	r.refused.WithLabelValues(why).Inc()
}

// methods are the methods that a label may have; a caller can send any.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// Request counts an answered request. The route is its pattern, empty where no route
// fits.
func (r *Registry) Request(method, route string, status int, took time.Duration) {
	if !slices.Contains(methods, method) {
		method = other
	}
	if route == "" {
		route = none
	}
	if status < 100 || status > 599 {
		status = 0
	}
	r.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	r.requestTime.WithLabelValues(method, route).Observe(took.Seconds())
}
