package amity

import (
	"net/http"
	"strconv"
	"strings"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/handlers/web/openapi"
)

// failure is an error as Amity's clients read it.
type failure struct {
	Status  string       `json:"status" required:"true" enum:"error" description:"Always error."`
	Code    int          `json:"code" required:"true" minimum:"400000" maximum:"599999" description:"Amity's number of the kind of error."`
	Message string       `json:"message" required:"true" description:"What went wrong and what to do about it, for a human."`
	Data    *failureData `json:"data,omitempty" description:"What is wrong with the input, if that is it."`
}

// failureData tells of a wrong input.
type failureData struct {
	Detail []string `json:"detail" required:"true" description:"A sentence for each wrong field, which names it."`
}

// Amity's numbers.
const (
	codeBadRequest   = 400000
	codeUnauthorized = 400100
	codePermission   = 400301
	codeRateLimit    = 400311
	codeDuplicate    = 400315
	codeNotFound     = 400400
	codeUnexpected   = 500000
)

// numbers are Amity's for our statuses; another below 500 is a bad request, all others
// are unexpected.
var numbers = map[int]int{
	http.StatusUnauthorized:    codeUnauthorized,
	http.StatusForbidden:       codePermission,
	http.StatusNotFound:        codeNotFound,
	http.StatusConflict:        codeDuplicate,
	http.StatusTooManyRequests: codeRateLimit,
}

// errorForm is the one place that maps errors to Amity's form.
var errorForm = web.ErrorForm{
	Media:  web.MediaJSON,
	Body:   func(p *web.Problem) any { return failureOf(p) },
	Schema: openapi.Of[failure](),
}

func failureOf(problem *web.Problem) failure {
	out := failure{Status: "error", Code: numbers[problem.Status], Message: problem.Detail}
	switch {
	case out.Code != 0:
	case problem.Status < http.StatusInternalServerError:
		out.Code = codeBadRequest
	default:
		out.Code = codeUnexpected
	}
	if out.Message == "" {
		out.Message = problem.Title
	}
	if len(problem.Errors) == 0 {
		return out
	}
	out.Message = "Parameters error."
	out.Data = &failureData{Detail: make([]string, len(problem.Errors))}
	for i, wrong := range problem.Errors {
		out.Data.Detail[i] = sentence(wrong)
	}
	return out
}

// sentence says what is wrong with a field as Amity says it.
func sentence(wrong chatbell.FieldError) string {
	if wrong.Pointer == "" {
		return "The body " + wrong.Detail + "."
	}
	return "The '" + fieldName(wrong.Pointer) + "' field " + wrong.Detail + "."
}

var unescaped = strings.NewReplacer("~1", "/", "~0", "~")

// fieldName writes a JSON pointer as Amity writes places: data.messages[0].messageId.
func fieldName(pointer string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if _, err := strconv.ParseUint(part, 10, 32); err == nil {
			out.WriteString("[" + part + "]")
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('.')
		}
		out.WriteString(unescaped.Replace(part))
	}
	return out.String()
}

// deny is a refusal with a status of Amity's.
func deny(status int, detail string, args ...any) error {
	return web.NewProblem(status, detail, args...)
}
