package native_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"chatbell/handlers/native"
	"chatbell/handlers/web"
)

// document is /openapi.json as a client's generator or a validating proxy reads it.
type document struct {
	OpenAPI string
	Tags    []struct{ Name, Description string }
	Paths   map[string]map[string]operation
	// Components are kept as they are; schemas are looked up by the validator.
	Components struct {
		Schemas   map[string]schema
		Responses map[string]response
	}

	text     string
	routes   map[string]*regexp.Regexp // by path
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
	mu       sync.Mutex // guards compiled
}

type operation struct {
	OperationID          string `json:"operationId"`
	Summary, Description string
	Tags                 []string
	Responses            map[string]response
	Security             []map[string][]string
	Parameters           []param
	RequestBody          *struct {
		Required bool
		Content  map[string]content
	} `json:"requestBody"`
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Headers     map[string]param
	Content     map[string]content
}

func (r response) empty() bool { return r.Ref == "" && r.Description == "" }

type content struct {
	Schema   schema
	Examples map[string]struct{ Value json.RawMessage }
}

type param struct {
	Name, In, Description string
	Required              bool
	Schema                schema
}

type schema struct {
	Ref                  string `json:"$ref"`
	Description          string
	Type                 any
	Enum                 []string
	Pattern, Format      string
	MinLength, MaxLength *int
	MinItems, MaxItems   *int
	Minimum, Maximum     *int
	Properties           map[string]schema
	Required             []string
	Items                *schema
	OneOf, AnyOf         []schema
	AdditionalProperties any
}

// is reports whether the schema allows values of a type.
func (s *schema) is(kind string) bool {
	many, _ := s.Type.([]any)
	for _, t := range append(many, s.Type) {
		if t == kind {
			return true
		}
	}
	return false
}

// openAPI is what the server says of itself. It is read once: all servers say the same.
func openAPI(t testing.TB) *document {
	t.Helper()
	d, err := readDocument()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var readDocument = sync.OnceValues(func() (*document, error) {
	h, err := bare("test")
	if err != nil {
		return nil, err
	}
	d := &document{
		text: ask(h, "GET", "/openapi.json", "").body, routes: map[string]*regexp.Regexp{},
		compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{},
	}
	if err := json.Unmarshal([]byte(d.text), d); err != nil {
		return nil, err
	}
	whole, err := jsonschema.UnmarshalJSON(strings.NewReader(d.text))
	if err != nil {
		return nil, err
	}
	d.compiler.AssertFormat()
	for path := range d.Paths {
		d.routes[path] = regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$")
	}
	return d, d.compiler.AddResource("openapi.json", whole)
})

// bare is an API that can only say what it is.
func bare(version string) (http.Handler, error) {
	in := &door{}
	return surfaces(native.Config{
		Common: web.Common{Keys: keys{}, Log: discard}, Intake: in, State: struct{ native.State }{}, DeadLetters: &graves{}, Version: version,
	}, in)
}

// each calls f for every operation, in the order of their paths and methods.
func (d *document) each(f func(method, path string, op operation)) {
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			f(strings.ToUpper(method), path, d.Paths[path][method])
		}
	}
}

// at is the pointer to an operation, or to what is in it.
func at(method, path string, parts ...string) string {
	return pointer(append([]string{"paths", path, strings.ToLower(method)}, parts...)...)
}

// resolve follows a reference to a shared answer.
func (d *document) resolve(r response) response {
	if r.Ref != "" {
		return d.Components.Responses[strings.TrimPrefix(r.Ref, "#/components/responses/")]
	}
	return r
}

// pointer is where a schema of a body stands in the document.
func pointer(parts ...string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "+", "%2B")
	var out strings.Builder
	for _, p := range parts {
		out.WriteString("/" + escape.Replace(p))
	}
	return out.String()
}

// validate checks a value against the schema at a pointer into the document.
func (d *document) validate(place string, value []byte) error {
	d.mu.Lock()
	s := d.compiled[place]
	if s == nil {
		var err error
		if s, err = d.compiler.Compile("openapi.json#" + place); err != nil {
			d.mu.Unlock()
			return err
		}
		d.compiled[place] = s
	}
	d.mu.Unlock()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(value)))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// find is the operation that answers a request, and its path in the document.
func (d *document) find(method, target string) (path string, op operation, ok bool) {
	target, _, _ = strings.Cut(target, "?")
	for path, item := range d.Paths {
		op, documented := item[strings.ToLower(method)]
		if documented && d.routes[path].MatchString(target) && (!strings.Contains(path, "{") || d.Paths[target] == nil) {
			return path, op, true
		}
	}
	return "", operation{}, false
}

var parameter = regexp.MustCompile(`\\?\{[a-z]+\\?\}`)

// concrete puts an id in place of each of a path's parameters.
func concrete(path, id string) string { return parameter.ReplaceAllLiteralString(path, id) }

// conforms checks an answer as a validating proxy would: its status, media type,
// headers and body are those that the document promises for the route.
func (d *document) conforms(method, target string, a answer) error {
	path, op, ok := d.find(method, target)
	if !ok {
		return nil // not a route of ours
	}
	status := strconv.Itoa(a.status)
	if op.Responses[status].empty() && a.status == http.StatusInternalServerError {
		status = "default"
	}
	said := op.Responses[status]
	if said.empty() {
		return fmt.Errorf("the status %s is not documented", status)
	}
	here := at(method, path, "responses", status)
	if said.Ref != "" {
		here = strings.TrimPrefix(said.Ref, "#")
	}
	said = d.resolve(said)
	for name, h := range said.Headers {
		if h.Required && a.header.Get(name) == "" {
			return fmt.Errorf("a %s without the header %s", status, name)
		}
	}
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	form, ok := said.Content[media]
	switch {
	case len(said.Content) == 0 && a.body == "":
		return nil
	case !ok:
		return fmt.Errorf("a %s of %q, documented are %v", status, media, said.Content)
	case form.Schema.is("string"):
		return nil
	}
	return d.validate(here+pointer("content", media, "schema"), []byte(a.body))
}
