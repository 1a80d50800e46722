package native_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/openapi.json anew")

const published = "../../docs/openapi.json"

// The document that lies in docs/ is the one that the server gives, so that a change
// of the API is seen where it is reviewed. Write it anew with:
//
//	go test ./handlers/native -run TestPublishedDocument -update
func TestPublishedDocument(t *testing.T) {
	var bodies [2]string
	for i := range bodies {
		h, err := bare("dev")
		if err != nil {
			t.Fatal(err)
		}
		bodies[i] = ask(h, "GET", "/openapi.json", "").body
	}
	if bodies[0] != bodies[1] {
		t.Error("two servers describe themselves differently")
	}
	var got bytes.Buffer
	if err := json.Indent(&got, []byte(bodies[0]), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	if *update {
		if err := os.WriteFile(published, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	was, is := strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			t.Fatalf("docs/openapi.json differs at line %d: it has\n  %s\nthe server says\n  %s", i+1, was[i], is[i])
		}
	}
	if len(was) != len(is) {
		t.Errorf("docs/openapi.json has %d lines, the server says %d", len(was), len(is))
	}
}

// The document and the routes agree: what it names is served, with the access that it
// says, and every other method is not.
func TestDocumentAgreesWithRoutes(t *testing.T) {
	r := start(t)
	d := openAPI(t)
	if !strings.HasPrefix(d.OpenAPI, "3.1") || len(d.Paths) < 14 {
		t.Fatalf("version %q, %d paths", d.OpenAPI, len(d.Paths))
	}
	for path, item := range d.Paths {
		for _, method := range []string{"GET", "PUT", "POST", "PATCH", "DELETE"} {
			op, documented := item[strings.ToLower(method)]
			a := r.do(request{method: method, path: concrete(path, "x"), key: "-"})
			switch {
			case !documented && a.status != http.StatusMethodNotAllowed:
				t.Errorf("%s %s is served (%d) and not documented", method, path, a.status)
			case documented && (a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotFound):
				t.Errorf("%s %s is documented and not served (%d)", method, path, a.status)
			case documented && (len(op.Security) > 0) != (a.status == http.StatusUnauthorized):
				t.Errorf("%s %s: without a key %d, documented security %v", method, path, a.status, op.Security)
			case documented && op.Security == nil:
				t.Errorf("%s %s does not say who may call it", method, path)
			}
		}
	}
	r.problem(r.do(request{method: "GET", path: "/v1/nothing"}), 404)
}

// Names that generators make methods and types of.
var (
	operationID = regexp.MustCompile(`^[a-z]+([A-Z][a-z]*)+$`)
	schemaName  = regexp.MustCompile(`^[A-Z][A-Za-z]+$`)
	// A generated client has types of these names already, made from operation ids.
	taken = regexp.MustCompile(`(Response|Params|RequestBody|JSONBody)$`)
)

// Nothing is left for a reader to guess: every operation, parameter, header, answer,
// schema and property is described.
func TestEverythingIsDescribed(t *testing.T) {
	d := openAPI(t)
	tags, ids := map[string]bool{}, map[string]bool{}
	for _, tag := range d.Tags {
		tags[tag.Name] = tag.Description != ""
	}
	d.each(func(method, path string, op operation) {
		what := method + " " + path
		if !operationID.MatchString(op.OperationID) || ids[op.OperationID] {
			t.Errorf("%s: the operation id %q is odd or taken", what, op.OperationID)
		}
		ids[op.OperationID] = true
		if op.Summary == "" || op.Description == "" || len(op.Tags) != 1 || !tags[op.Tags[0]] {
			t.Errorf("%s says too little: %q, %q, tags %v", what, op.Summary, op.Description, op.Tags)
		}
		if strings.Count(path, "{") > len(op.Parameters) {
			t.Errorf("%s does not name its parameters", what)
		}
		for _, p := range op.Parameters {
			if p.Description == "" || p.Schema.Type == nil {
				t.Errorf("%s: %s is not described", what, p.Name)
			}
		}
		for status, r := range op.Responses {
			r = d.resolve(r)
			if r.Description == "" {
				t.Errorf("%s: %s is not described", what, status)
			}
			for name, h := range r.Headers {
				if h.Description == "" {
					t.Errorf("%s: %s: the header %s is not described", what, status, name)
				}
			}
		}
	})
	properties := 0
	for name, s := range d.Components.Schemas {
		if s.Description == "" || !schemaName.MatchString(name) || taken.MatchString(name) {
			t.Errorf("the schema %s is not described, or has an odd name", name)
		}
		for property, p := range s.Properties {
			properties++
			if p.Description == "" {
				t.Errorf("%s/%s is not described", name, property)
			}
		}
	}
	if properties < 80 {
		t.Errorf("%d properties; the test has gone blind", properties)
	}
}

// Every reference in the document leads somewhere, and everything that is shared is
// referred to.
func TestReferences(t *testing.T) {
	d := openAPI(t)
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`"\$ref":"#/components/([a-z]+/[A-Za-z]+)"`).FindAllStringSubmatch(d.text, -1) {
		used[m[1]] = true
	}
	for name := range used {
		kind, name, _ := strings.Cut(name, "/")
		_, isSchema := d.Components.Schemas[name]
		_, isResponse := d.Components.Responses[name]
		if kind == "schemas" && !isSchema || kind == "responses" && !isResponse {
			t.Errorf("there is no %s %s", kind, name)
		}
	}
	if all := len(d.Components.Schemas) + len(d.Components.Responses); len(used) != all || all < 40 {
		t.Errorf("%d components, %d are used", all, len(used))
	}
}
