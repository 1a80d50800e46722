package backoff

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter bounds what a server may ask for: the longest step of the usual retry
// schedule. A longer wish would outlive the notification.
const MaxRetryAfter = 24 * time.Hour

// RetryAfter reads the header of that name: seconds or an HTTP date (RFC 9110 §10.2.3).
// What is neither, or lies in the past, asks for nothing: 0.
func RetryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if header == "" {
		return 0
	}
	if strings.Trim(header, "0123456789") == "" {
		seconds, err := strconv.ParseInt(header, 10, 64)
		if err != nil || seconds > int64(MaxRetryAfter/time.Second) { // err: more digits than fit
			return MaxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	when, err := http.ParseTime(header)
	if err != nil || !when.After(now) {
		return 0
	}
	return min(when.Sub(now), MaxRetryAfter)
}
