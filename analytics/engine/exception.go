package engine

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
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
	codeCannotRead       = 33
	codeBadArguments     = 36
	codeNotImplemented   = 48
	codeUnknownTable     = 60
	codeSyntax           = 62
	codeUnknownSetting   = 115
	codeTooSlow          = 159
	codeReadonly         = 164
	codeTooManyAtOnce    = 202
	codeNoSession        = 372
	codeTooBig           = 396
	codeBadTimeout       = 374
	codeAccessDenied     = 497
	codeUnknownRole      = 511
	codeUnknownUser      = 516 // AUTHENTICATION_FAILED: says not whether the name or the password was wrong
	codeUnknownException = 1002
)

// Error gives ClickHouse's text.
func (e *Exception) Error() string { return e.Message }

// exceptionCode finds the innermost code: the engine sometimes wraps one in another.
var exceptionCode = regexp.MustCompile(`Code: (\d+)\.`)

func newException(text string) *Exception {
	exception := &Exception{Code: codeUnknownException, Message: strings.TrimSpace(text)}
	if match := exceptionCode.FindStringSubmatch(text); match != nil {
		exception.Code, _ = strconv.Atoi(match[1]) // digits only; an overflow leaves a number that no one knows
	}
	return exception
}

// refuse is an exception of our own.
func refuse(code int, name, format string, args ...any) *Exception {
	return &Exception{Code: code, Message: fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", code, fmt.Sprintf(format, args...), name)}
}

// tooLong is why an analyst's query ends that was not read to its end in time.
func tooLong(most time.Duration) error {
	return refuse(codeTooSlow, "TIMEOUT_EXCEEDED", "Timeout exceeded: query and answer together may take %v", most)
}

// asException gives an error of ours the form that clients can read.
func asException(err error) *Exception {
	var exception *Exception
	switch {
	case errors.As(err, &exception):
		return exception
	case errors.Is(err, errNoBody):
		return refuse(codeCannotRead, "CANNOT_READ_ALL_DATA", "%v", err)
	}
	return refuse(codeUnknownException, "UNKNOWN_EXCEPTION", "%v", err)
}

// voice is what exceptions are worded with.
type voice struct {
	version string
	user    string   // the analyst's name; the engine has another for everybody
	hidden  []string // system tables that are closed
}

var (
	// wrapped is an exception around another one with the same code.
	wrapped = regexp.MustCompile(`^(Code: \d+\. DB::Exception: )(Code: \d+\. DB::Exception: )`)
	// versioned is where the text of an exception ends with a server.
	versioned = regexp.MustCompile(`\(([A-Z][A-Z0-9_]+)\) \(version [^)]*\)`)
	// guess offers a table of the database system in the place of another unknown one.
	guess = regexp.MustCompile(` Maybe you meant system\.\S+\?\.`)
	// asked is the unknown name in an exception about a table.
	asked = regexp.MustCompile("(?:identifier '|Table )([\\w.`]+)")
)

// say words an exception as a server would: once, with the analyst's name, and with the
// version at its end.
func (v voice) say(exception *Exception) string {
	text := exception.Message
	if match := wrapped.FindStringSubmatch(text); match != nil && match[1] == match[2] {
		text = text[len(match[1]):]
		if end := versioned.FindStringIndex(text); end != nil {
			text = text[:end[1]]
		}
	}
	text = strings.Replace(text, "DB::Exception: default: ", "DB::Exception: "+v.user+": ", 1)
	if exception.Code == codeUnknownTable {
		text = v.unknownTable(text)
	}
	if !strings.HasSuffix(text, "(version "+v.version+")") {
		text += " (version " + v.version + ")"
	}
	return text
}

// unknownTable takes out guesses that lead away from our tables (the engine says
// "system.one" to much that is short), and says of a closed table that it is closed.
func (v voice) unknownTable(text string) string {
	match := asked.FindStringSubmatch(text)
	if match == nil {
		return text
	}
	name := strings.ReplaceAll(match[1], "`", "")
	if table, ok := strings.CutPrefix(name, "system."); ok && slices.Contains(v.hidden, table) {
		text = guess.ReplaceAllString(text, "")
		return strings.Replace(text, " (UNKNOWN_TABLE)", " It is closed to this user; the system tables that are open are listed by SHOW TABLES FROM system. (UNKNOWN_TABLE)", 1)
	}
	if strings.HasPrefix(name, "system.") {
		return text
	}
	return guess.ReplaceAllString(text, "")
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
	case codeSyntax, codeUnknownSetting, codeCannotRead, codeBadTimeout, 6, 26, 27, 36, 41, 43, 47, 53, 73, 456, 457: // what the asker wrote cannot be understood
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
