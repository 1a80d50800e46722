package native

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"unicode/utf8"

	"chatbell"
	"chatbell/handlers/web"
)

// maxEvents bounds the events of one request.
const maxEvents = 1000

// frame cuts a body into events, without looking into them: one object, an array, or
// one object a line. The error is for a body in which no event can be found.
func frame(contentType string, body []byte) ([]json.RawMessage, error) {
	media := ""
	if contentType != "" {
		var err error
		if media, _, err = mime.ParseMediaType(contentType); err != nil {
			return nil, web.NewProblem(http.StatusUnsupportedMediaType, "the Content-Type cannot be read; send application/json or application/x-ndjson")
		}
	}
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
		return nil, web.NewProblem(http.StatusBadRequest, "the body is empty; send an event, an array of events, or one event a line")
	case media == "application/x-ndjson" || media == "application/ndjson" || media == "application/jsonl":
		return lines(trimmed)
	case media != "" && media != "application/json" && media != "text/json" && media != "text/plain" && media != "application/x-www-form-urlencoded":
		return nil, web.NewProblem(http.StatusUnsupportedMediaType, "%s is not understood here; send application/json or application/x-ndjson", media)
	case trimmed[0] == '[':
		return elements(trimmed)
	}
	return []json.RawMessage{trimmed}, nil
}

func tooMany() error {
	return web.NewProblem(http.StatusRequestEntityTooLarge, "one request may have at most %d events; send the rest in another", maxEvents)
}

func lines(body []byte) ([]json.RawMessage, error) {
	var out []json.RawMessage
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(out) == maxEvents {
			return nil, tooMany()
		}
		out = append(out, line)
	}
	return out, nil
}

// elements cuts an array by its brackets and quotes alone, so that an element that is
// not JSON, or not UTF-8, harms no other.
func elements(body []byte) ([]json.RawMessage, error) {
	var out []json.RawMessage
	start := 1
	for {
		end := elementEnd(body, start)
		if end == len(body) {
			return nil, web.NewProblem(http.StatusBadRequest, "the array does not end; the body may have been cut off")
		}
		element := bytes.TrimSpace(body[start:end])
		isLast := body[end] == ']'
		start = end + 1
		if len(element) > 0 || len(out) > 0 { // or the array is empty
			if len(out) == maxEvents {
				return nil, tooMany()
			}
			out = append(out, element)
		}
		if !isLast {
			continue
		}
		if len(bytes.TrimSpace(body[start:])) > 0 {
			return nil, web.NewProblem(http.StatusBadRequest, "there is something after the end of the array")
		}
		if len(out) == 0 {
			return nil, web.NewProblem(http.StatusBadRequest, "the array is empty; send at least one event")
		}
		return out, nil
	}
}

// elementEnd is where the comma or the bracket stands that ends the element which begins
// at start; the body's length where there is none.
func elementEnd(body []byte, start int) int {
	var depth int
	var quoted bool
	for i := start; i < len(body); i++ {
		switch char := body[i]; {
		case quoted && char == '\\':
			i++
		case char == '"':
			quoted = !quoted
		case quoted:
		case char == '{' || char == '[':
			depth++
		case (char == ',' || char == ']') && depth == 0:
			return i
		case (char == '}' || char == ']') && depth > 0:
			depth--
		}
	}
	return len(body)
}

// parseEvent reads and checks one framed event.
func parseEvent(raw json.RawMessage) (chatbell.Event, []chatbell.FieldError) {
	var event chatbell.Event
	switch {
	case len(raw) > chatbell.MaxEventSize:
		return event, []chatbell.FieldError{web.Field("", "has %d bytes; one event may have at most %d", len(raw), chatbell.MaxEventSize)}
	case !utf8.Valid(raw):
		return event, []chatbell.FieldError{web.Field("", "must be valid UTF-8")}
	case len(raw) == 0 || raw[0] != '{':
		return event, []chatbell.FieldError{web.Field("", "must be a JSON object")}
	}
	if err := json.Unmarshal(raw, &event); err != nil {
		return event, []chatbell.FieldError{web.JSONError(err, raw, &event)}
	}
	if errs := web.CheckOutline(raw); len(errs) > 0 {
		return event, errs
	}
	return event, checkEvent(&event)
}
