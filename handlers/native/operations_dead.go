package native

import (
	"net/http"

	"chatbell/handlers/web"
	"chatbell/handlers/web/openapi"
)

type deadLetterPath struct {
	ID string `path:"id" description:"The dead letter's id."`
}

const exampleDeadLetter = `{"id":"17","kind":"event","reason":"its handler failed 20 times","tries":20,"at":"2026-11-20T10:15:00Z","event_id":"e1","event_type":"message.created",` +
	`"accepted_at":"2026-11-20T10:00:00Z","payload":` + exampleMessage + `,"payload_bytes":512}`

var (
	docListDeadLetters = reads[deadLetterPage](
		words{"listDeadLetters", tagServer, "List dead letters", "Lists what was accepted for the network and given up, with the reason, in the order in which that happened. A page ends earlier where payloads are large."},
		web.Example("page", `{"items":[`+exampleDeadLetter+`],"next_cursor":"MTc"}`), pageQuery{})
	docReplayDeadLetter = openapi.Operation{
		ID:      "replayDeadLetter",
		Tag:     tagServer,
		Summary: "Replay a dead letter",
		Description: "Puts the dead letter back to where it was given up, and takes it out of the list. What of it was done before is not done again, as far as that is known: for half an hour. " +
			"When the cause is still there it comes back with a new id.",
		Parameters: []any{deadLetterPath{}},
		Answers: []openapi.Answer{{
			Status: http.StatusAccepted, Description: "It is durable where it came from.", Content: web.Body[replayed](web.Example("replayed", `{"replayed":1}`)),
		}},
	}
	docDeleteDeadLetter = removes(
		words{"deleteDeadLetter", tagServer, "Remove a dead letter", "Removes the dead letter for good: whom it was for is never told."}, deadLetterPath{})
)
