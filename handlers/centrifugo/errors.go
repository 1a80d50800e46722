package centrifugo

import (
	"errors"
	"fmt"
	"net/http"

	"chatbell"
	"chatbell/internal/store"
)

// Error is why a call was not done. Code and Message are a closed list; Detail says what to
// do about it, for people.
type Error struct {
	Code    uint32 `json:"code" pb:"1"`
	Message string `json:"message" pb:"2"`
	Detail  string `json:"detail,omitempty"`
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Code, e.Message, e.Detail) }

// The codes of errors.
const (
	codeInternal     = 100
	codeNotFound     = 104
	codeBadRequest   = 107
	codeNotAvailable = 108
	codeConflict     = 113
)

// words are the messages of the codes, and the HTTP statuses for callers who ask for those.
var words = map[uint32]struct {
	message string
	status  int
}{
	codeInternal:     {"internal server error", http.StatusInternalServerError},
	codeNotFound:     {"not found", http.StatusNotFound},
	codeBadRequest:   {"bad request", http.StatusBadRequest},
	codeNotAvailable: {"not available", http.StatusBadRequest},
	codeConflict:     {"conflict", http.StatusConflict},
}

func failure(code uint32, detail string, args ...any) *Error {
	return &Error{Code: code, Message: words[code].message, Detail: fmt.Sprintf(detail, args...)}
}

// badRequest refuses what a call says.
func badRequest(detail string, args ...any) *Error { return failure(codeBadRequest, detail, args...) }

// notAvailable refuses what chatbell has not.
func notAvailable(detail string, args ...any) *Error {
	return failure(codeNotAvailable, detail, args...)
}

// errJSON says that parameters are not of the method's type.
var errJSON = badRequest("the parameters are not of this method's types")

// asError is the one place that maps errors to theirs. What is nobody's mistake but ours says
// nothing to the caller, and everything to the log.
func asError(err error) *Error {
	var known *Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, chatbell.ErrNotFound):
		return failure(codeNotFound, "there is no such thing in this network")
	case errors.Is(err, store.ErrConflict):
		return failure(codeConflict, "%s", store.ErrConflict)
	case errors.Is(err, store.ErrBadID):
		return badRequest("id is no device's; leave it out, and one is made")
	case errors.Is(err, store.ErrTooMany):
		return badRequest("there would be too many: at most %d topics of a device or a user, %d devices in one change, %d pushes that wait for their time",
			store.MaxTopics, maxChange, store.MaxScheduled)
	}
	return failure(codeInternal, "nothing was changed, or nobody knows; send it again later")
}

// maxChange is how many devices one call changes, as the store has it.
const maxChange = 10_000
