package openapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/swaggest/openapi-go"
	"github.com/swaggest/openapi-go/openapi31"
)

// Info is what a document says of the API as a whole.
type Info struct {
	Title       string
	Version     string
	Summary     string
	Description string // Markdown
	Contact     string // whom to ask
	License     string // an SPDX identifier
	// Server is where the API is, relative to the document: "/" for the same host.
	Server string
	// Tags are the groups of operations, in the order in which a reader should meet them.
	Tags    []Tag
	Schemes []Scheme
}

// Tag is a group of operations.
type Tag struct{ Name, Description string }

// Scheme is one way to show who is calling. It is a bearer token with the given
// format or, if Header is set, an API key in that header.
type Scheme struct {
	Name        string
	Format      string
	Header      string
	Description string
}

// Document is an OpenAPI 3.1 document. It is made with [New], grows with
// [Document.Add], and is not safe for concurrent use.
type Document struct {
	reflector *openapi31.Reflector
	types     map[reflect.Type]Type
	ids       map[string]bool // operation ids that are taken
}

// New makes a document without operations. The types say what their Go declarations
// cannot.
func New(info Info, types ...Type) *Document {
	doc := &Document{
		reflector: openapi31.NewReflector(),
		types:     make(map[reflect.Type]Type, len(types)),
		ids:       map[string]bool{},
	}
	for _, kind := range types {
		doc.types[kind.Go] = kind
	}
	doc.setUpReflection()
	doc.describe(info)
	return doc
}

func (d *Document) describe(info Info) {
	spec := d.reflector.SpecEns()
	license := (&openapi31.License{}).WithName(info.License).WithIdentifier(info.License)
	about := (&openapi31.Info{}).WithTitle(info.Title).WithVersion(info.Version).WithSummary(info.Summary).
		WithDescription(info.Description).WithLicense(*license).
		WithContact(*(&openapi31.Contact{}).WithName(info.Contact))
	spec.WithInfo(*about)
	spec.WithServers(*(&openapi31.Server{}).WithURL(info.Server))
	for _, tag := range info.Tags {
		spec.Tags = append(spec.Tags, *(&openapi31.Tag{}).WithName(tag.Name).WithDescription(tag.Description))
	}
	for _, scheme := range info.Schemes {
		if scheme.Header != "" {
			spec.SetAPIKeySecurity(scheme.Name, scheme.Header, openapi.InHeader, scheme.Description)
			continue
		}
		spec.SetHTTPBearerTokenSecurity(scheme.Name, scheme.Format, scheme.Description)
	}
}

// JSON is the document as it goes over the wire.
func (d *Document) JSON() ([]byte, error) {
	data, err := json.Marshal(d.reflector.SpecEns())
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return data, nil
}

// Add describes one operation. Path has its parameters in braces: /v1/users/{user}.
// The error is a mistake of the program: an operation that is there already, an id that
// is taken, a path parameter that no struct of Parameters has, a type that JSON cannot
// carry, or an example that is not JSON.
func (d *Document) Add(method, path string, op Operation) error {
	if err := d.add(method, path, op); err != nil {
		return fmt.Errorf("describe %s %s: %w", method, path, err)
	}
	return nil
}

func (d *Document) add(method, path string, operation Operation) error {
	if operation.ID == "" || d.ids[operation.ID] {
		return fmt.Errorf("the operation id %q is empty or taken", operation.ID)
	}
	d.ids[operation.ID] = true
	context, err := d.reflector.NewOperationContext(method, path)
	if err != nil {
		return err
	}
	context.SetID(operation.ID)
	context.SetTags(operation.Tag)
	context.SetSummary(operation.Summary)
	context.SetDescription(operation.Description)
	for _, p := range operation.Parameters {
		context.AddReqStructure(p)
	}
	if err := d.reflector.AddOperation(context); err != nil {
		return err
	}
	item := d.reflector.Spec.Paths.MapOfPathItemValues[path]
	made, err := item.Operation(method)
	if err != nil {
		return err
	}
	secure(made, operation.Security)
	inOrder(made.Parameters)
	if operation.Request != nil {
		if err := d.request(made, operation.Request); err != nil {
			return err
		}
	}
	return d.answers(made, operation.Answers)
}

// secure lists the schemes of which any will do. For no scheme the list is written, too,
// and is empty: left out it would mean that nobody has thought about it.
func secure(operation *openapi31.Operation, schemes []string) {
	for _, name := range schemes {
		operation.Security = append(operation.Security, map[string][]string{name: {}})
	}
	if len(schemes) == 0 {
		// The library leaves out an empty list, and writes what is added by hand.
		operation.WithMapOfAnythingItem("security", []any{})
	}
}

// inOrder puts the path's parameters first, as a reader meets them, then those of the
// query, then headers.
func inOrder(params []openapi31.ParameterOrReference) {
	order := []openapi31.ParameterIn{openapi31.ParameterInPath, openapi31.ParameterInQuery, openapi31.ParameterInHeader}
	slices.SortStableFunc(params, func(a, b openapi31.ParameterOrReference) int {
		return slices.Index(order, a.Parameter.In) - slices.Index(order, b.Parameter.In)
	})
	for _, p := range params {
		delete(p.Parameter.Schema, "description") // the parameter has it
	}
}
