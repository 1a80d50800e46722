package native

import (
	"encoding/json"
	"net/http"

	"chatbell"
	"chatbell/handlers/web/openapi"
)

// Media types of bodies.
const (
	mediaJSON  = "application/json"
	mediaLines = "application/x-ndjson"
	mediaMerge = "application/merge-patch+json"
	mediaText  = "text/plain"
)

// body is JSON, as a request carries it or an answer.
func body[T any](examples ...openapi.Example) []openapi.Content {
	return []openapi.Content{{Media: mediaJSON, Schema: openapi.Of[T](), Examples: examples}}
}

func ok(content []openapi.Content) []openapi.Answer {
	return []openapi.Answer{{Status: http.StatusOK, Description: "Done.", Content: content}}
}

var gone = []openapi.Answer{{Status: http.StatusNoContent, Description: "It is gone."}}

func example(name, value string) openapi.Example { return openapi.Example{Name: name, Value: value} }

func problemExample(p *Problem) []openapi.Example {
	data, err := json.Marshal(p)
	if err != nil {
		panic("encode a problem: " + err.Error()) // texts and numbers only: a programming error
	}
	return []openapi.Example{example("problem", string(data))}
}

const eventDescription = `A fact from the chat backend. Besides actor and channel the built-in types carry:

| type | carries | also changes the state |
|---|---|---|
| channel.created | members | the channel and its members |
| channel.joined | members who joined | adds them |
| channel.left | members who left | takes them out |
| channel.updated, channel.deleted | | as named |
| channel.read | user, badge | |
| message.created, message.updated, message.deleted | message | |
| user.updated, user.deleted | user | as named |

Any other type of the form ` + "`[a-z0-9._-]{1,64}`" + ` is the network's own, with data for its own rules. One event has at most 512 KiB.`

var docPostEvents = openapi.Operation{
	ID: "postEvents", Tag: tagEvents, Summary: "Take in events",
	Description: "Takes one event, a list of them, or one a line, at most 1,000 and 4 MiB. The answer comes when the events are durable, and tells of each in the order of the request: " +
		"a bad one harms no other. Sending events with ids again is harmless.",
	Parameters: []any{traceHeader{}},
	Request: &openapi.Body{Content: []openapi.Content{
		{Media: mediaJSON, Schema: openapi.OneOrMany[chatbell.Event](maxEvents), Examples: []openapi.Example{
			{Name: "message", Summary: "One event: a message", Value: exampleMessage},
			{Name: "several", Summary: "A list: a new channel, and somebody who joins it", Value: "[" + exampleCreated + "," + exampleJoined + "]"},
			{Name: "own", Summary: "A type of the network's own", Value: exampleOwn},
		}},
		{Media: mediaLines, Schema: openapi.Lines("One Event a line; an empty line means nothing."), Examples: []openapi.Example{
			{Name: "lines", Value: exampleCreated + "\n" + exampleMessage + "\n"},
		}},
	}},
	Answers: []openapi.Answer{
		{Status: http.StatusAccepted, Description: "Every event is durable now, or was already.", Content: body[eventResults](
			example("accepted", `{"events":[{"id":"e1","status":"accepted"},{"id":"e0","status":"duplicate"}]}`))},
		{Status: http.StatusMultiStatus, Description: "Some events were not accepted: see each one's status.", Content: body[eventResults](
			example("mixed", `{"events":[{"id":"e1","status":"accepted"},{"id":"e2","status":"rejected","errors":[{"pointer":"/channel","detail":"is required for message.created"}]},{"id":"e3","status":"retry"}]}`))},
		{Status: http.StatusUnprocessableEntity, Description: "Every event was rejected.", Content: body[eventResults](
			example("rejected", `{"events":[{"status":"rejected","errors":[{"pointer":"","detail":"must be a JSON object"}]}]}`))},
		answerTooMany,
	},
}

var docGetHealthz = openapi.Operation{
	ID: "getHealthz", Tag: tagServer, Summary: "Whether the process lives",
	Description: "Answers as long as the process can answer anything. HEAD works, too.",
	Answers:     ok(body[liveness](example("alive", `{"status":"ok","version":"1.0.0"}`))),
}

var docGetReadyz = openapi.Operation{
	ID: "getReadyz", Tag: tagServer, Summary: "Whether events can be accepted",
	Description: "200 while events can be accepted, with what does not work all the same. HEAD works, too.",
	Answers: append(ok(body[readiness](example("ready", `{"degraded":[]}`))),
		fails(http.StatusServiceUnavailable, "", "Events cannot be accepted now.", retryHeader{},
			problem(http.StatusServiceUnavailable, "events cannot be accepted now: the broker cannot be reached"))),
}

var docGetMetrics = openapi.Operation{
	ID: "getMetrics", Tag: tagServer, Summary: "Metrics for Prometheus",
	Description: "The metrics in Prometheus' text format.",
	Answers: ok([]openapi.Content{{Media: mediaText, Schema: openapi.Text(), Examples: []openapi.Example{
		example("metrics", "# HELP chatbell_stream_pending Messages that nobody has finished.\n# TYPE chatbell_stream_pending gauge\nchatbell_stream_pending{stream=\"EVENTS\"} 0\n"),
	}}}),
}

var docGetOpenAPI = openapi.Operation{
	ID: "getOpenAPI", Tag: tagServer, Summary: "This document",
	Description: "The API as an OpenAPI 3.1 document, made from the types that the server reads and writes.",
	Answers:     ok([]openapi.Content{{Media: mediaJSON, Schema: openapi.Any(), Examples: []openapi.Example{example("document", `{"openapi":"3.1.0","info":{"title":"chatbell","version":"1.0.0"}}`)}}}),
}
