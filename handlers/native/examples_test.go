package native_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// described is what the document says of bodies, in full.
type described struct {
	Paths map[string]map[string]struct {
		RequestBody *struct {
			Content map[string]struct{ Example json.RawMessage }
		} `json:"requestBody"`
		Responses map[string]struct {
			Description string
			Content     map[string]struct {
				Schema struct {
					Ref string `json:"$ref"`
				}
			}
		}
	}
	Components struct {
		Schemas map[string]struct{ Properties map[string]any }
	}
}

// Every example can be sent as it is: it gets the status that is documented, and the
// answer has no member that its schema does not know.
func TestExamplesAreTaken(t *testing.T) {
	r := start(t)
	var d described
	if err := json.Unmarshal([]byte(r.ok("GET", "/openapi.json", "").body), &d); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for path, item := range d.Paths {
		for method, op := range item {
			if op.RequestBody == nil {
				continue
			}
			for media, content := range op.RequestBody.Content {
				sent++
				body := string(content.Example)
				if strings.Contains(media, "ndjson") {
					body = ""
					if err := json.Unmarshal(content.Example, &body); err != nil {
						t.Errorf("%s %s: the example of lines is no text: %s", method, path, content.Example)
					}
				}
				a := r.do(request{method: strings.ToUpper(method), path: concrete(path, "x"), body: body, media: media})
				said, ok := op.Responses[strconv.Itoa(a.status)]
				if !ok || a.status >= 300 {
					t.Errorf("%s %s: the example %s is answered with %d %s", method, path, body, a.status, a.body)
					continue
				}
				schema := strings.TrimPrefix(said.Content["application/json"].Schema.Ref, "#/components/schemas/")
				if schema == "" {
					continue // any object
				}
				var got map[string]any
				if err := json.Unmarshal([]byte(a.body), &got); err != nil {
					t.Errorf("%s %s: %s: %v", method, path, a.body, err)
				}
				for name := range got {
					if d.Components.Schemas[schema].Properties[name] == nil {
						t.Errorf("%s %s answers with %s, which %s has not", method, path, name, schema)
					}
				}
			}
		}
	}
	if sent < 12 {
		t.Errorf("only %d examples were sent", sent)
	}
}

// Each operation says what it answers when all is well and when it is not.
func TestEveryOperationHasItsResponses(t *testing.T) {
	r := start(t)
	var d described
	if err := json.Unmarshal([]byte(r.ok("GET", "/openapi.json", "").body), &d); err != nil {
		t.Fatal(err)
	}
	for path, item := range d.Paths {
		for method, op := range item {
			good := 0
			for status, said := range op.Responses {
				if said.Description == "" {
					t.Errorf("%s %s: %s is not described", method, path, status)
				}
				if strings.HasPrefix(status, "2") {
					good++
				}
			}
			fails := op.Responses["default"].Content["application/problem+json"].Schema.Ref
			if good == 0 || fails != "#/components/schemas/Problem" {
				t.Errorf("%s %s: %d good answers, failures are %q", method, path, good, fails)
			}
			if _, ok := op.Responses["204"]; (method == "delete") != ok {
				t.Errorf("%s %s answers with %v", method, path, slices.Sorted(maps.Keys(op.Responses)))
			}
		}
	}
	for _, status := range []string{"202", "207", "422"} {
		if op := d.Paths["/v1/events"]["post"]; op.Responses[status].Content["application/json"].Schema.Ref != "#/components/schemas/EventResults" {
			t.Errorf("events: %s is not documented", status)
		}
	}
}
