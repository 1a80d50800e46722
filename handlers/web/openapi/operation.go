package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/swaggest/openapi-go/openapi31"
	"github.com/swaggest/refl"
)

// Operation is what can be done with one method at one path.
type Operation struct {
	// ID is the name that generated clients give to the call, unique in the document.
	ID          string
	Tag         string // one of [Info.Tags]
	Summary     string // a few words
	Description string // Markdown
	// Parameters are structs. Their fields are parameters by a tag path, query or header.
	Parameters []any
	// Security names the schemes of which any will do; none means that everybody may call.
	Security []string
	Request  *Body // nil if it takes none
	Answers  []Answer
}

// Body is what a request carries.
type Body struct {
	Description string
	// Optional bodies may be left out.
	Optional bool
	Content  []Content // one for each media type that is understood
}

// Answer is one of an operation's answers.
type Answer struct {
	Status int // 0 stands for every status that is not named
	// Name is set for an answer that several operations give: it is written once, under
	// this name. Answers with equal names must be equal.
	Name        string
	Description string
	Headers     any // a struct; its fields are headers by a tag header
	Content     []Content
}

// Content is a body in one media type.
type Content struct {
	Media    string
	Schema   Schema
	Examples []Example
}

// Example is a body as it goes over the wire.
type Example struct {
	Name    string // unique in its [Content]
	Summary string
	Value   string
}

func (d *Document) request(op *openapi31.Operation, b *Body) error {
	body := op.RequestBodyEns().RequestBodyEns().WithRequired(!b.Optional)
	if b.Description != "" {
		body.WithDescription(b.Description)
	}
	content, err := d.content(b.Content)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	body.Content = content
	return nil
}

func (d *Document) answers(operation *openapi31.Operation, answers []Answer) error {
	responses := &openapi31.Responses{}
	for _, answer := range answers {
		made, err := d.answer(answer)
		if err != nil {
			return fmt.Errorf("answer %d: %w", answer.Status, err)
		}
		if answer.Status == 0 {
			responses.WithDefault(made)
			continue
		}
		responses.WithMapOfResponseOrReferenceValuesItem(strconv.Itoa(answer.Status), made)
	}
	operation.WithResponses(*responses)
	return nil
}

// answer describes an answer in place or, if it has a name, once for all.
func (d *Document) answer(answer Answer) (openapi31.ResponseOrReference, error) {
	made, err := d.response(answer)
	if err != nil || answer.Name == "" {
		return openapi31.ResponseOrReference{Response: made}, err
	}
	shared := d.reflector.SpecEns().ComponentsEns()
	if before, ok := shared.Responses[answer.Name]; ok && !reflect.DeepEqual(before.Response, made) {
		return openapi31.ResponseOrReference{}, fmt.Errorf("there are two different answers named %s", answer.Name)
	}
	shared.WithResponsesItem(answer.Name, openapi31.ResponseOrReference{Response: made})
	return openapi31.ResponseOrReference{Reference: &openapi31.Reference{Ref: "#/components/responses/" + answer.Name}}, nil
}

func (d *Document) response(answer Answer) (*openapi31.Response, error) {
	made := (&openapi31.Response{}).WithDescription(answer.Description)
	content, err := d.content(answer.Content)
	if err != nil {
		return nil, err
	}
	made.Content = content
	if answer.Headers == nil {
		return made, nil
	}
	headers, err := d.properties(answer.Headers, "header")
	if err != nil {
		return nil, err
	}
	refl.WalkTaggedFields(reflect.ValueOf(answer.Headers), func(_ reflect.Value, f reflect.StructField, name string) {
		schema := headers[name]
		header := (&openapi31.Header{}).WithDescription(f.Tag.Get("description"))
		if f.Tag.Get("required") == "true" {
			header.WithRequired(true)
		}
		delete(schema, "description") // the header has it
		made.WithHeadersItem(name, openapi31.HeaderOrReference{Header: header.WithSchema(schema)})
	}, "header")
	return made, nil
}

func (d *Document) content(forms []Content) (map[string]openapi31.MediaType, error) {
	out := make(map[string]openapi31.MediaType, len(forms))
	for _, content := range forms {
		made := openapi31.MediaType{}
		schema, err := content.Schema(d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", content.Media, err)
		}
		made.WithSchema(schema)
		isText := schema["type"] == "string"
		for _, e := range content.Examples {
			value, err := e.value(isText)
			if err != nil {
				return nil, fmt.Errorf("%s: example %s: %w", content.Media, e.Name, err)
			}
			made.WithExamplesItem(e.Name, openapi31.ExampleOrReference{Example: value})
		}
		out[content.Media] = made
	}
	return out, nil
}

var errNotJSON = errors.New("is not JSON")

// value is the example as the document carries it: a text as a text, all else as JSON.
func (e *Example) value(isText bool) (*openapi31.Example, error) {
	made := &openapi31.Example{}
	if e.Summary != "" {
		made.WithSummary(e.Summary)
	}
	if isText {
		return made.WithValue(e.Value), nil
	}
	if !json.Valid([]byte(e.Value)) {
		return nil, errNotJSON
	}
	return made.WithValue(json.RawMessage(e.Value)), nil
}
