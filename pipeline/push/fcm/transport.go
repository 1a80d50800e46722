package fcm

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"chatbell/internal/backoff"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/internal/h2"
)

// try is what one send and its request tell each other past the library between
// them, which has no place for it.
type try struct {
	body       []byte        // in: the encoded request
	err        error         // out: why no answer came
	status     int           // out: 0 when no answer came
	answer     []byte        // out: the body of a refusal
	retryAfter time.Duration // out
	bearer     string        // out: the access token that was used
}

type tryKey struct{}

// transport completes the library's requests and sends them over a pool.
type transport struct {
	pool   *h2.Pool
	tokens *tokens
}

// RoundTrip implements http.RoundTripper. The library repeats a request after a
// network error and after 503, so it is told of neither: whatever went wrong is
// noted in the try and reaches the library as a plain 500.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	try := req.Context().Value(tryKey{}).(*try) //nolint:forcetypeassert // Send, the only caller, puts it there
	resp, err := t.send(req, try)
	if err != nil {
		try.err = err
		return failed(req), nil //nolint:nilerr // see above: the cause is in the try
	}
	try.status = resp.StatusCode
	if resp.StatusCode != http.StatusOK {
		try.retryAfter = backoff.RetryAfter(resp.Header.Get("Retry-After"), time.Now())
		try.answer, _ = io.ReadAll(resp.Body) // from memory, and bounded there
		return failed(req), nil
	}
	return resp, nil
}

func (t transport) send(req *http.Request, try *try) (*http.Response, error) {
	bearer, err := t.tokens.get(req.Context())
	if err != nil {
		return nil, err
	}
	try.bearer = bearer
	// The request was made for this one send and is known to nobody else.
	req.Header["Authorization"] = []string{"Bearer " + bearer}
	if parent := push.TraceParent(req.Context()); parent != "" {
		req.Header["Traceparent"] = []string{parent}
	}
	req.ContentLength = int64(len(try.body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(try.body)), nil }
	req.Body, _ = req.GetBody() // cannot fail
	return t.pool.RoundTrip(req)
}

// failed is an answer that the library takes for final.
func failed(req *http.Request) *http.Response {
	return &http.Response{
		StatusCode: http.StatusInternalServerError,
		Proto:      "HTTP/2.0",
		ProtoMajor: 2,
		Header:     http.Header{},
		Body:       io.NopCloser(strings.NewReader("{}")),
		Request:    req,
	}
}
