package status

import (
	"net/http"

	"chatbell/handlers/web"
	"chatbell/handlers/web/openapi"
)

// tag is the group of these operations in the document.
const tag = "Server"

var docGetHealthz = openapi.Operation{
	ID:          "getHealthz",
	Tag:         tag,
	Summary:     "Whether the process lives",
	Description: "Answers as long as the process can answer anything. HEAD works, too.",
	Answers:     web.Done(web.Body[liveness](web.Example("alive", `{"status":"ok","version":"1.0.0"}`))),
}

var docGetReadyz = openapi.Operation{
	ID:          "getReadyz",
	Tag:         tag,
	Summary:     "Whether events can be accepted",
	Description: "200 while events can be accepted, with what does not work all the same. HEAD works, too.",
	Answers: append(web.Done(web.Body[readiness](web.Example("ready", `{"degraded":[]}`))),
		web.Fails("", "Events cannot be accepted now.", web.RetryHeader{},
			web.NewProblem(http.StatusServiceUnavailable, "events cannot be accepted now: the broker cannot be reached"))),
}

var docGetMetrics = openapi.Operation{
	ID:          "getMetrics",
	Tag:         tag,
	Summary:     "Metrics for Prometheus",
	Description: "The metrics in Prometheus' text format.",
	Answers: web.Done([]openapi.Content{{Media: web.MediaText, Schema: openapi.Text(), Examples: []openapi.Example{
		web.Example("metrics", "# HELP chatbell_stream_pending Messages that nobody has finished.\n# TYPE chatbell_stream_pending gauge\nchatbell_stream_pending{stream=\"EVENTS\"} 0\n"),
	}}}),
}
