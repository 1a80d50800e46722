package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"time"

	"chatbell"
	"chatbell/handlers/web/openapi"
	"chatbell/pipeline/intake"
)

// Media types of bodies.
const (
	MediaJSON  = "application/json"
	MediaLines = "application/x-ndjson"
	MediaMerge = "application/merge-patch+json"
	MediaText  = "text/plain"
)

var pathParam = regexp.MustCompile(`:([a-z]+)`)

// Describe makes an OpenAPI document from the routes that are served. What is the same for
// all surfaces is added: how to show who is calling, and the problems. It panics when a
// description contradicts itself, which is a programming error.
func Describe(about openapi.Info, parts ...Part) []byte {
	return DescribeAs(ErrorForm{}, about, parts...)
}

// DescribeAs is [Describe] for a surface whose errors have a form of their own.
func DescribeAs(form ErrorForm, about openapi.Info, parts ...Part) []byte {
	about.Schemes = schemes
	var all Part
	for _, p := range parts {
		all.Routes = append(all.Routes, p.Routes...)
		all.Types = append(all.Types, p.Types...)
		about.Tags = append(about.Tags, p.Tags...)
	}
	document := openapi.New(about, append(all.Types, problemTypes...)...)
	for i := range all.Routes {
		r := &all.Routes[i]
		operation := r.operation()
		form.rewrite(operation.Answers)
		if err := document.Add(r.Method, pathParam.ReplaceAllString(r.Path, "{$1}"), operation); err != nil {
			panic(err.Error())
		}
	}
	data, err := document.JSON()
	if err != nil {
		panic(err.Error())
	}
	return data
}

// rewrite puts the form's bodies in the place of problems.
func (f *ErrorForm) rewrite(answers []openapi.Answer) {
	if f.Body == nil {
		return
	}
	for i := range answers {
		if len(answers[i].Content) != 1 || answers[i].Content[0].Media != MediaProblem {
			continue
		}
		problem := new(Problem)
		if err := json.Unmarshal([]byte(answers[i].Content[0].Examples[0].Value), problem); err != nil {
			panic("decode a problem of ours: " + err.Error())
		}
		media, body, err := f.encode(problem)
		if err != nil {
			panic("encode an error: " + err.Error())
		}
		answers[i].Content = []openapi.Content{{
			Media:    media,
			Schema:   f.Schema,
			Examples: []openapi.Example{Example("error", string(body))},
		}}
	}
}

// The ways to show who is calling.
const (
	schemeKey   = "serverKey"
	schemeToken = "userToken"
	schemeAPI   = "apiKey"
)

var schemes = []openapi.Scheme{
	{Name: schemeKey, Format: "API key", Description: "A server key, which acts for its network, or the admin key, which reaches all."},
	{Name: schemeToken, Format: "JWT", Description: "A user's token, signed by the chat backend with HS256 and a client key's secret: kid is that key's id, sub the user's id, and exp is required. " +
		"It reaches that user's own devices and settings only."},
	{Name: schemeAPI, Header: "X-API-Key", Description: "The same keys and tokens, for callers that cannot set Authorization. If both are sent, Authorization counts."},
}

var problemTypes = []openapi.Type{
	{Go: reflect.TypeFor[Problem](), Description: "An error (RFC 9457)."},
	{Go: reflect.TypeFor[chatbell.FieldError](), Description: "What is wrong at one place of the input."},
}

// operation is what the document says of a route: its own words, and what follows
// from who may call it and whether it takes a body.
func (r *Route) operation() openapi.Operation {
	operation := r.Doc
	operation.Security = r.Access.schemes()
	answers := slices.Clone(operation.Answers)
	answers = append(answers, answerBadRequest)
	if r.Access != Open {
		operation.Parameters = append(slices.Clone(operation.Parameters), networkQuery{})
		answers = append(answers, answerUnauthorized, answerForbidden, answerNotFound)
	}
	if operation.Request != nil {
		answers = append(answers, answerTooLarge, answerUnsupported)
	}
	unready := slices.ContainsFunc(answers, func(a openapi.Answer) bool { return a.Status == http.StatusServiceUnavailable })
	if !unready && !r.Always {
		answers = append(answers, answerAway)
	}
	answers = append(answers, answerElse)
	operation.Answers = answers
	return operation
}

func (a Access) schemes() []string {
	switch a {
	case Server:
		return []string{schemeKey, schemeAPI}
	case Users, Apps:
		return []string{schemeKey, schemeToken, schemeAPI}
	case Open:
	}
	return nil
}

type networkQuery struct {
	Network chatbell.NetworkID `query:"network" description:"The network to act for, with the admin key. It may be left out where there is one network only, and means nothing with other keys."`
}

// Headers of answers.
type (
	// RetryHeader is that of an answer which asks the caller to come back.
	RetryHeader struct {
		RetryAfter int `header:"Retry-After" required:"true" minimum:"1" description:"In how many seconds to try again."`
	}
	challengeHeader struct {
		Challenge string `header:"WWW-Authenticate" required:"true" description:"How to show who is calling: Bearer."`
	}
)

// Body is JSON, as a request carries it or an answer.
func Body[T any](examples ...openapi.Example) []openapi.Content {
	return []openapi.Content{{Media: MediaJSON, Schema: openapi.Of[T](), Examples: examples}}
}

// Done is the answer 200 with a content.
func Done(content []openapi.Content) []openapi.Answer {
	return []openapi.Answer{{Status: http.StatusOK, Description: "Done.", Content: content}}
}

// Gone is the answer 204 of a DELETE.
var Gone = []openapi.Answer{{Status: http.StatusNoContent, Description: "It is gone."}}

// Example is an example of a body.
func Example(name, value string) openapi.Example { return openapi.Example{Name: name, Value: value} }

// Fails is an answer with a problem. Headers may be nil; a name makes it one that several
// operations share.
func Fails(name, description string, headers any, example *Problem) openapi.Answer {
	data, err := json.Marshal(example)
	if err != nil {
		panic("encode a problem: " + err.Error()) // texts and numbers only: a programming error
	}
	return openapi.Answer{
		Status:      example.Status,
		Name:        name,
		Description: description,
		Headers:     headers,
		Content: []openapi.Content{{
			Media:    MediaProblem,
			Schema:   openapi.Of[Problem](),
			Examples: []openapi.Example{Example("problem", string(data))},
		}},
	}
}

// AnswerTooMany is the answer of what takes requests in.
var AnswerTooMany = Fails("TooManyRequests", "The backlog is full, the network has reached its quota or its share, or too many of the network's lists are coming in. Nothing was stored; send it again later.", RetryHeader{},
	notTaken(&intake.Error{Cause: intake.Overloaded, RetryAfter: 5 * time.Second}))

var (
	answerBadRequest = Fails("BadRequest", "The path, the query or the body is wrong; nothing was changed.", nil,
		Invalid(Field("/locale", "must be a BCP 47 language tag, for example en or pt-BR")))
	answerUnauthorized = Fails("Unauthorized", "There is no key or token, or it is not known or has expired.", challengeHeader{}, errNoCredentials)
	answerForbidden    = Fails("Forbidden", "The key or token is good, but not for this.", nil, ErrUserToken)
	answerNotFound     = Fails("NotFound", "There is no such object in this network, or no such network.", nil, AsProblem(chatbell.ErrNotFound))
	answerTooLarge     = Fails("TooLarge", "The body, or a line of it, is too large.", nil, errTooLarge)
	answerUnsupported  = Fails("UnsupportedMediaType", "The body's media type is not understood here, or it is compressed.", nil,
		NewProblem(http.StatusUnsupportedMediaType, "send application/x-ndjson, one member a line"))
	answerAway = Fails("Unavailable", "The server is starting, or the broker or the store cannot take it now. Send it again later; ids make that harmless.", RetryHeader{},
		notTaken(&intake.Error{Cause: intake.Unavailable, RetryAfter: 5 * time.Second}))
	answerElse = otherwise(Fails("Error", "Anything else, for example 405 for a method that the path does not have, or 500 for a failure of the server's.", nil,
		AsProblem(errors.New("whatever it is"))))
)

// otherwise is the answer for every status that is not documented.
func otherwise(a openapi.Answer) openapi.Answer {
	a.Status = 0
	return a
}
