package openapi_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"chatbell/handlers/web/openapi"
)

type (
	id    string
	mood  string
	inner struct {
		From string `json:"from" required:"true" description:"Where it begins."`
	}
	thing struct {
		ID    id       `json:"id" required:"true" description:"Its id."`
		Mood  mood     `json:"mood,omitempty" description:"How it feels."`
		Names []string `json:"names,omitempty" maxItems:"3" itemMinLength:"1" itemMaxLength:"9" description:"What it is called."`
		Inner *inner   `json:"inner,omitempty" description:"What is in it."`
		Any   any      `json:"any,omitempty" description:"Anything."`
		On    *bool    `json:"on" description:"Whether it is on; null inherits."`
	}
	path struct {
		ID id `path:"id" description:"Its id."`
	}
	retry struct {
		After int `header:"Retry-After" required:"true" minimum:"1" description:"When to come again."`
	}
)

func document() *openapi.Document {
	return openapi.New(
		openapi.Info{
			Title: "things", Version: "1", License: "MIT", Contact: "us", Server: "/",
			Tags:    []openapi.Tag{{Name: "Things", Description: "All of them."}},
			Schemes: []openapi.Scheme{{Name: "key", Format: "API key", Description: "A key."}, {Name: "header", Header: "X-Key", Description: "The same."}},
		},
		openapi.Type{Go: reflect.TypeFor[id](), MinLength: 1, MaxLength: 150, Pattern: "^[a-z]+$"},
		openapi.Type{Go: reflect.TypeFor[mood](), Enum: []any{mood("good"), mood("bad")}, Description: "A mood."},
		openapi.Type{Go: reflect.TypeFor[thing](), Name: "Widget", Description: "A thing.", Closed: true},
		openapi.Type{Go: reflect.TypeFor[inner](), Description: "The inside."},
	)
}

func putThing() openapi.Operation {
	busy := openapi.Answer{Status: 429, Name: "Busy", Description: "Come again.", Headers: retry{}}
	return openapi.Operation{
		ID: "putThing", Tag: "Things", Summary: "Put a thing", Description: "Puts it.", Parameters: []any{path{}}, Security: []string{"key", "header"},
		Request: &openapi.Body{Optional: true, Content: []openapi.Content{
			{Media: "application/json", Schema: openapi.OneOrMany[thing](7), Examples: []openapi.Example{{Name: "one", Value: `{"id":"a"}`}}},
			{Media: "application/x-ndjson", Schema: openapi.Lines("A thing a line."), Examples: []openapi.Example{{Name: "lines", Value: "{\"id\":\"a\"}\n"}}},
			{Media: "application/merge-patch+json", Schema: openapi.MergePatch[thing]()},
		}},
		Answers: []openapi.Answer{{Status: 204, Description: "Done."}, busy, {Description: "Anything else."}},
	}
}

// at reads a place of a document: members' names joined by spaces.
func at(t *testing.T, d *openapi.Document, place string) string {
	t.Helper()
	data, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(place) {
		members, ok := value.(map[string]any)
		if !ok || members[name] == nil {
			t.Errorf("there is no %s of %s in %s", name, place, data)
			return ""
		}
		value = members[name]
	}
	out, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// What the types and their tags say is in the document, where OpenAPI wants it.
func TestDocument(t *testing.T) {
	d := document()
	if err := d.Add("PUT", "/things/{id}", putThing()); err != nil {
		t.Fatal(err)
	}
	const widget, patch, put = "components schemas Widget ", "components schemas WidgetPatch ", "paths /things/{id} put "
	for place, want := range map[string]string{
		"openapi":                           `"3.1.0"`,
		"servers":                           `[{"url":"/"}]`,
		"info license":                      `{"identifier":"MIT","name":"MIT"}`,
		"components securitySchemes key":    `{"bearerFormat":"API key","description":"A key.","scheme":"bearer","type":"http"}`,
		"components securitySchemes header": `{"description":"The same.","in":"header","name":"X-Key","type":"apiKey"}`,

		put + "security":             `[{"key":[]},{"header":[]}]`,
		put + "parameters":           `[{"description":"Its id.","in":"path","name":"id","required":true,"schema":{"maxLength":150,"minLength":1,"pattern":"^[a-z]+$","type":"string"}}]`,
		put + "requestBody required": `false`,
		put + "requestBody content application/json schema":             `{"oneOf":[{"$ref":"#/components/schemas/Widget"},{"items":{"$ref":"#/components/schemas/Widget"},"maxItems":7,"minItems":1,"type":"array"}]}`,
		put + "requestBody content application/json examples":           `{"one":{"value":{"id":"a"}}}`,
		put + "requestBody content application/x-ndjson schema":         `{"description":"A thing a line.","type":"string"}`,
		put + "requestBody content application/x-ndjson examples":       `{"lines":{"value":"{\"id\":\"a\"}\n"}}`,
		put + "requestBody content application/merge-patch+json schema": `{"$ref":"#/components/schemas/WidgetPatch"}`,
		put + "responses 204":               `{"description":"Done."}`,
		put + "responses 429":               `{"$ref":"#/components/responses/Busy"}`,
		put + "responses default":           `{"description":"Anything else."}`,
		"components responses Busy headers": `{"Retry-After":{"description":"When to come again.","required":true,"schema":{"minimum":1,"type":"integer"},"style":"simple"}}`,

		widget + "required":             `["id"]`,
		widget + "additionalProperties": `false`,
		widget + "description":          `"A thing."`,
		widget + "properties id":        `{"description":"Its id.","maxLength":150,"minLength":1,"pattern":"^[a-z]+$","type":"string"}`,
		widget + "properties mood":      `{"$ref":"#/components/schemas/Mood","description":"How it feels."}`,
		widget + "properties names":     `{"description":"What it is called.","items":{"maxLength":9,"minLength":1,"type":"string"},"maxItems":3,"type":"array"}`,
		widget + "properties inner":     `{"$ref":"#/components/schemas/Inner","description":"What is in it."}`,
		widget + "properties on":        `{"description":"Whether it is on; null inherits.","type":["null","boolean"]}`,
		"components schemas Mood":       `{"description":"A mood.","enum":["good","bad"],"type":"string"}`,

		patch + "additionalProperties":                       `false`,
		patch + "properties id":                              `{"description":"Its id.","maxLength":150,"minLength":1,"pattern":"^[a-z]+$","type":["string","null"]}`,
		patch + "properties mood":                            `{"anyOf":[{"$ref":"#/components/schemas/Mood"},{"type":"null"}],"description":"How it feels."}`,
		patch + "properties inner":                           `{"anyOf":[{"$ref":"#/components/schemas/InnerPatch"},{"type":"null"}],"description":"What is in it."}`,
		patch + "properties any":                             `{"description":"Anything."}`,
		patch + "properties on":                              `{"description":"Whether it is on; null inherits.","type":["null","boolean"]}`,
		"components schemas InnerPatch properties from type": `["string","null"]`,
	} {
		if got := at(t, d, place); got != want {
			t.Errorf("%s is\n  %s, want\n  %s", place, got, want)
		}
	}
	if strings.Contains(at(t, d, "components schemas InnerPatch"), "required") {
		t.Error("a patch must say something")
	}
}

// Who may call without a key is said, not left out.
func TestOpenOperation(t *testing.T) {
	d := document()
	op := openapi.Operation{ID: "ping", Tag: "Things", Answers: []openapi.Answer{{Status: 200, Description: "Pong."}}}
	if err := d.Add("GET", "/ping", op); err != nil {
		t.Fatal(err)
	}
	if got := at(t, d, "paths /ping get security"); got != `[]` {
		t.Errorf("security is %s", got)
	}
}

// A mistake of the program is told, with the route.
func TestMistakes(t *testing.T) {
	for name, change := range map[string]func(*openapi.Operation){
		"no id":               func(op *openapi.Operation) { op.ID = "" },
		"an id that is taken": func(op *openapi.Operation) { op.ID = "first" },
		"no parameter":        func(op *openapi.Operation) { op.Parameters = nil },
		"an example":          func(op *openapi.Operation) { op.Request.Content[0].Examples[0].Value = "{" },
		"two of a name":       func(op *openapi.Operation) { op.Answers[1].Description = "Another." },
		"no object":           func(op *openapi.Operation) { op.Request.Content[2].Schema = openapi.MergePatch[mood]() },
		"no JSON": func(op *openapi.Operation) {
			op.Request.Content[2].Schema = openapi.Of[struct {
				F func() `json:"f"`
			}]()
		},
		"no texts": func(op *openapi.Operation) {
			op.Request.Content[2].Schema = openapi.Of[struct {
				N int `json:"n" itemMaxLength:"1"`
			}]()
		},
		"no number": func(op *openapi.Operation) {
			op.Request.Content[2].Schema = openapi.Of[struct {
				N []string `json:"n" itemMinLength:"one"`
			}]()
		},
	} {
		d := document()
		first := putThing()
		first.ID = "first"
		if err := d.Add("PUT", "/first/{id}", first); err != nil {
			t.Fatal(err)
		}
		op := putThing()
		change(&op)
		if err := d.Add("PUT", "/things/{id}", op); err == nil || !strings.Contains(err.Error(), "PUT /things/{id}") {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := document()
	if err := d.Add("PUT", "/things/{id}", putThing()); err != nil {
		t.Fatal(err)
	}
	again := putThing()
	again.ID = "again"
	if err := d.Add("PUT", "/things/{id}", again); err == nil {
		t.Error("one operation is described twice")
	}
}
