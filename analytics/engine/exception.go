package engine

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Exception is an error of ClickHouse in ClickHouse's own words, "Code: N.
// DB::Exception: …", so that its clients can read it.
type Exception struct {
	// Code is ClickHouse's error code.
	Code int
	// Message is the whole text, with the code.
	Message string
}

// The codes that we give ourselves, or answer with a status of their own.
const (
	codeSyntax           = 62
	codeUnknownSetting   = 115
	codeTooSlow          = 159
	codeReadonly         = 164
	codeUnknownUser      = 516 // AUTHENTICATION_FAILED: says not whether the name or the password was wrong
	codeTooManyAtOnce    = 202
	codeTooBig           = 396
	codeNotImplemented   = 48
	codeAccessDenied     = 497
	codeUnknownException = 1002
)

// Error gives ClickHouse's text.
func (e *Exception) Error() string { return e.Message }

// exceptionCode finds the innermost code: the engine sometimes wraps one in another.
var exceptionCode = regexp.MustCompile(`Code: (\d+)\.`)

func newException(text string) *Exception {
	e := &Exception{Code: codeUnknownException, Message: strings.TrimSpace(text)}
	if m := exceptionCode.FindStringSubmatch(text); m != nil {
		e.Code, _ = strconv.Atoi(m[1]) // digits only; an overflow leaves a number that no one knows
	}
	return e
}

// refuse is an exception of our own.
func refuse(code int, name, format string, args ...any) *Exception {
	return &Exception{Code: code, Message: fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", code, fmt.Sprintf(format, args...), name)}
}

// status is the HTTP status that ClickHouse gives with such a code.
func (e *Exception) status() int {
	switch e.Code {
	case codeUnknownUser, 192, 193, 194:
		return http.StatusUnauthorized
	case codeAccessDenied:
		return http.StatusForbidden
	case 60, 81, 46: // unknown table, database, function
		return http.StatusNotFound
	case codeSyntax, codeUnknownSetting, 6, 26, 27, 36, 41, 43, 47, 53, 73, 456, 457: // what the asker wrote cannot be understood
		return http.StatusBadRequest
	case codeTooSlow:
		return http.StatusRequestTimeout
	case codeNotImplemented:
		return http.StatusNotImplemented
	case codeTooBig, 241: // result too big; memory limit
		return http.StatusInsufficientStorage
	case codeTooManyAtOnce:
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}
