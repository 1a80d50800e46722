package native

import (
	"net/http"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/handlers/web/openapi"
)

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
	ID:      "postEvents",
	Tag:     tagEvents,
	Summary: "Take in events",
	Description: "Takes one event, a list of them, or one a line, at most 1,000 and 4 MiB. The answer comes when the events are durable, and tells of each in the order of the request: " +
		"a bad one harms no other. Sending events with ids again is harmless.",
	Parameters: []any{traceHeader{}},
	Request: &openapi.Body{Content: []openapi.Content{
		{Media: web.MediaJSON, Schema: openapi.OneOrMany[chatbell.Event](maxEvents), Examples: []openapi.Example{
			{Name: "message", Summary: "One event: a message", Value: exampleMessage},
			{Name: "several", Summary: "A list: a new channel, and somebody who joins it", Value: "[" + exampleCreated + "," + exampleJoined + "]"},
			{Name: "own", Summary: "A type of the network's own", Value: exampleOwn},
		}},
		{Media: web.MediaLines, Schema: openapi.Lines("One Event a line; an empty line means nothing."), Examples: []openapi.Example{
			{Name: "lines", Value: exampleCreated + "\n" + exampleMessage + "\n"},
		}},
	}},
	Answers: []openapi.Answer{
		{Status: http.StatusAccepted, Description: "Every event is durable now, or was already.", Content: web.Body[eventResults](
			web.Example("accepted", `{"events":[{"id":"e1","status":"accepted"},{"id":"e0","status":"duplicate"}]}`))},
		{Status: http.StatusMultiStatus, Description: "Some events were not accepted: see each one's status.", Content: web.Body[eventResults](
			web.Example("mixed", `{"events":[{"id":"e1","status":"accepted"},{"id":"e2","status":"rejected","errors":[{"pointer":"/channel","detail":"is required for message.created"}]},{"id":"e3","status":"retry"}]}`))},
		{Status: http.StatusUnprocessableEntity, Description: "Every event was rejected.", Content: web.Body[eventResults](
			web.Example("rejected", `{"events":[{"status":"rejected","errors":[{"pointer":"","detail":"must be a JSON object"}]}]}`))},
		web.AnswerTooMany,
	},
}

var docGetOpenAPI = openapi.Operation{
	ID:          "getOpenAPI",
	Tag:         tagServer,
	Summary:     "This document",
	Description: "The API as an OpenAPI 3.1 document, made from the types that the server reads and writes.",
	Answers: web.Done([]openapi.Content{{
		Media:    web.MediaJSON,
		Schema:   openapi.Any(),
		Examples: []openapi.Example{web.Example("document", `{"openapi":"3.1.0","info":{"title":"chatbell","version":"1.0.0"}}`)},
	}}),
}
