package apns

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"chatbell/internal/backoff"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/internal/h2"
)

// try is what one send and its request tell each other past the library between
// them, which has no place for it.
type try struct {
	bearer     string        // in: the provider token
	body       []byte        // in: the encoded payload
	once       bool          // in: whether Apple is to try once
	status     int           // out: 0 when no answer came
	retryAfter time.Duration // out
	deadSince  time.Time     // out: the timestamp of a 410, to the millisecond
}

type tryKey struct{}

// transport completes the library's requests and sends them over a pool.
type transport struct{ pool *h2.Pool }

// RoundTrip implements http.RoundTripper. The request was made for this one send and
// is known to nobody else, so it is completed in place.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	try := req.Context().Value(tryKey{}).(*try) //nolint:forcetypeassert // Send, the only caller, puts it there
	req.Header["Authorization"] = []string{try.bearer}
	if parent := push.TraceParent(req.Context()); parent != "" {
		req.Header["Traceparent"] = []string{parent}
	}
	if try.once {
		req.Header["Apns-Expiration"] = []string{"0"}
	}
	// The library would check and copy the payload for every device; it gets an empty
	// one, and the shared bytes go out instead.
	req.ContentLength = int64(len(try.body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(try.body)), nil }
	req.Body, _ = req.GetBody() // cannot fail
	resp, err := t.pool.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	try.status = resp.StatusCode
	if resp.StatusCode != http.StatusOK {
		try.retryAfter = backoff.RetryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	if resp.StatusCode == http.StatusGone {
		try.deadSince = deadSince(resp)
	}
	return resp, nil
}

// maxGone bounds what is read of a 410: Apple's has some 50 bytes.
const maxGone = 4 << 10

// deadSince reads the timestamp of a 410 and puts back what it has read. The library
// keeps whole seconds only: a token that died in the second in which it was registered
// would live for ever.
func deadSince(resp *http.Response) time.Time {
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxGone))
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(data), rest), rest}
	var gone struct {
		Timestamp int64 `json:"timestamp"`
	}
	if err != nil || json.Unmarshal(data, &gone) != nil || gone.Timestamp <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(gone.Timestamp).UTC()
}
