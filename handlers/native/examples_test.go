package native_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// examples checks each example of a request or an answer against its schema and calls f
// for it. An example of text comes as the text.
func examples(t *testing.T, d *document, bodies map[string]content, place string, f func(media, name, value string)) {
	t.Helper()
	for media, form := range bodies {
		if len(form.Examples) == 0 {
			t.Errorf("%s %s has no example", place, media)
		}
		for name, e := range form.Examples {
			value := string(e.Value)
			if form.Schema.is("string") {
				if err := json.Unmarshal(e.Value, &value); err != nil {
					t.Errorf("%s %s: the example %s is no text: %s", place, media, name, e.Value)
				}
			}
			if err := d.validate(place+pointer("content", media, "schema"), e.Value); err != nil {
				t.Errorf("%s %s: the example %s: %v", place, media, name, err)
			}
			f(media, name, value)
		}
	}
}

// Every example is what its schema says and can be sent as it is: the answer is a good
// one, of a status and a form that are documented (the harness looks at that).
func TestExamplesAreTaken(t *testing.T) {
	r := start(t)
	d := openAPI(t)
	sent, answers := 0, 0
	d.each(func(method, path string, op operation) {
		if op.RequestBody != nil {
			examples(t, d, op.RequestBody.Content, at(method, path, "requestBody"), func(media, name, value string) {
				sent++
				a := r.do(request{method: method, path: concrete(path, "x"), body: value, media: media})
				if a.status >= 300 || a.status == 207 {
					t.Errorf("%s %s: the example %s is answered with %d %s", method, path, name, a.status, a.body)
				}
			})
		}
		for status, said := range op.Responses {
			place := at(method, path, "responses", status)
			if said.Ref != "" {
				place = strings.TrimPrefix(said.Ref, "#")
			}
			examples(t, d, d.resolve(said).Content, place, func(string, string, string) { answers++ })
		}
	})
	if sent < 15 || answers < 180 {
		t.Errorf("only %d examples were sent, and %d answers looked at", sent, answers)
	}
}

// Each operation says what it answers when all is well and when it is not.
func TestEveryOperationHasItsResponses(t *testing.T) {
	d := openAPI(t)
	d.each(func(method, path string, op operation) {
		statuses := slices.Sorted(maps.Keys(op.Responses))
		good := slices.IndexFunc(statuses, func(s string) bool { return strings.HasPrefix(s, "2") })
		if good < 0 || op.Responses["400"].Ref == "" || op.Responses["default"].Ref == "" {
			t.Errorf("%s %s answers with %v", method, path, statuses)
		}
		if _, ok := op.Responses["204"]; (method == "DELETE") != ok {
			t.Errorf("%s %s answers with %v", method, path, statuses)
		}
		for status, said := range op.Responses {
			form, isProblem := d.resolve(said).Content["application/problem+json"]
			if bad := status == "default" || status >= "400" && status != "422"; bad != isProblem {
				t.Errorf("%s %s: %s is a problem: %t", method, path, status, isProblem)
			}
			if isProblem && form.Schema.Ref != "#/components/schemas/Problem" {
				t.Errorf("%s %s: %s is %+v", method, path, status, form.Schema)
			}
		}
	})
	for _, status := range []string{"202", "207", "422"} {
		if op := d.Paths["/v1/events"]["post"]; op.Responses[status].Content["application/json"].Schema.Ref != "#/components/schemas/EventResults" {
			t.Errorf("events: %s is not documented", status)
		}
	}
}
