package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web/openapi"
	"chatbell/internal/store"
	"chatbell/pipeline/intake"
)

// Problem is an error as it goes over the wire (RFC 9457).
type Problem struct {
	Type   string                `json:"type" required:"true" description:"Always about:blank: the status says what kind of problem it is."`
	Title  string                `json:"title" required:"true" description:"The status in words."`
	Status int                   `json:"status" required:"true" minimum:"400" maximum:"599" description:"The status."`
	Detail string                `json:"detail,omitempty" description:"What went wrong here and what to do about it, for a human."`
	Errors []chatbell.FieldError `json:"errors,omitempty" description:"What is wrong with the input, by its places."`

	retryAfter int    // seconds; 0 means no header
	refused    string // why a credential was not accepted
	challenge  string // WWW-Authenticate, where it was not
}

// MediaProblem is a problem's media type.
const MediaProblem = "application/problem+json"

// Error is the problem in one line.
func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Title, p.Detail) }

// ErrorForm is how a surface's errors go over the wire where those of another system are
// expected. The zero value is that of a [Problem] itself. Status and headers are the
// problem's in any case.
type ErrorForm struct {
	// Media is the body's media type.
	Media string
	// Body is what is encoded as JSON in the problem's place.
	Body func(*Problem) any
	// Schema describes it.
	Schema openapi.Schema
}

// encode is a problem's body, and its media type.
func (f *ErrorForm) encode(p *Problem) (media string, body []byte, err error) {
	if f.Body == nil {
		body, err = json.Marshal(p)
		return MediaProblem, body, err
	}
	body, err = json.Marshal(f.Body(p))
	return f.Media, body, err
}

// NewProblem is a problem with a status and what a human should know.
func NewProblem(status int, detail string, args ...any) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(detail, args...)}
}

// Invalid is a 400 that names the wrong fields.
func Invalid(errs ...chatbell.FieldError) *Problem {
	problem := NewProblem(http.StatusBadRequest, "the request has %d invalid field(s)", len(errs))
	problem.Errors = errs
	return problem
}

// Field is what is wrong at one place of the input, which a JSON pointer (RFC 6901) names.
func Field(pointer, detail string, args ...any) chatbell.FieldError {
	return chatbell.FieldError{Pointer: pointer, Detail: fmt.Sprintf(detail, args...)}
}

// RetryLater asks the caller to come back after so many seconds.
func RetryLater(status, seconds int, detail string) *Problem {
	problem := NewProblem(status, "%s", detail)
	problem.retryAfter = seconds
	return problem
}

// AsProblem is the one place that maps errors to problems. What is nobody's mistake
// but ours says nothing to the caller and everything to the log.
func AsProblem(err error) *Problem {
	var problem *Problem
	var fieldErr chatbell.FieldError
	var refused *intake.Error
	var httpErr *echo.HTTPError
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &fieldErr):
		return Invalid(fieldErr)
	case errors.Is(err, chatbell.ErrNotFound):
		return NewProblem(http.StatusNotFound, "there is no such object in this network")
	case errors.As(err, &refused):
		return notTaken(refused)
	case errors.Is(err, store.ErrFull):
		return RetryLater(http.StatusServiceUnavailable, 30, "the server's disk is full; nothing was changed, send it again later")
	case errors.Is(err, store.ErrUnavailable):
		return RetryLater(http.StatusServiceUnavailable, 5, "the store cannot take this now; nothing was changed, send it again later")
	case errors.As(err, &httpErr):
		return NewProblem(httpErr.Code, "%v", httpErr.Message)
	}
	return NewProblem(http.StatusInternalServerError, "an internal error; see the server's log")
}

// notTaken is the wire form of the intake's refusals.
func notTaken(e *intake.Error) *Problem {
	seconds := int(math.Ceil(e.RetryAfter.Seconds()))
	switch e.Cause {
	case intake.OverLimit:
		return RetryLater(http.StatusTooManyRequests, max(1, seconds), e.Detail+"; nothing was stored, send it again later")
	case intake.DiskFull:
		return RetryLater(http.StatusTooManyRequests, seconds, "the server's disk is full; nothing was stored, send it again later")
	case intake.Overloaded:
		return RetryLater(http.StatusTooManyRequests, seconds, "the backlog is full; nothing was stored, send it again later")
	case intake.Stopping:
		return RetryLater(http.StatusServiceUnavailable, seconds, "the server is stopping; nothing was stored, send it again later")
	case intake.Unavailable:
	}
	return RetryLater(http.StatusServiceUnavailable, seconds, "the broker cannot be reached; send it again later, ids make that safe")
}

// handleError is echo's error handler. Each failure of ours is logged; what passes by
// itself is told once, see refusals.
func handleError(log *slog.Logger, passing *refusals, form ErrorForm) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		problem := AsProblem(err)
		switch {
		case problem.Status < http.StatusInternalServerError || c.Request().Context().Err() != nil:
		case problem.Status == http.StatusServiceUnavailable && problem.retryAfter > 0:
			passing.refused(c.Request().Method, c.Path(), problem.Status, err)
		default:
			log.Error("request failed", "method", c.Request().Method, "route", c.Path(), "status", problem.Status, "error", err)
		}
		if problem.challenge != "" {
			c.Response().Header().Set("WWW-Authenticate", problem.challenge)
		}
		if problem.retryAfter > 0 {
			c.Response().Header().Set("Retry-After", strconv.Itoa(problem.retryAfter))
		}
		media, body, err := form.encode(problem)
		if err != nil {
			log.Error("cannot encode a problem", "error", err)
			return
		}
		if c.Request().Method == http.MethodHead {
			body = nil
		}
		if err := c.Blob(problem.Status, media, body); err != nil {
			log.Debug("caller went away before the answer", "error", err)
		}
	}
}
