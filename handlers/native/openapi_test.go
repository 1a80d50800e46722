package native_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

type document struct {
	OpenAPI    string `json:"openapi"`
	Paths      map[string]map[string]operation
	Components struct{ Schemas map[string]any }
}

type operation struct {
	Summary     string
	Responses   map[string]any
	Security    []any
	Parameters  []struct{ Name, In string }
	RequestBody *struct{ Content map[string]any } `json:"requestBody"`
}

func openAPI(t testing.TB, r *rig) document {
	t.Helper()
	var d document
	a := r.do(request{method: "GET", path: "/openapi.json", key: "-"})
	if err := json.Unmarshal([]byte(a.body), &d); err != nil || a.status != 200 {
		t.Fatalf("%d: %v", a.status, err)
	}
	return d
}

// concrete puts an id in place of each of a path's parameters.
func concrete(path, id string) string {
	return parameter.ReplaceAllLiteralString(path, id)
}

var parameter = regexp.MustCompile(`\{[a-z]+\}`)

// The document and the routes agree: what it names is served, with the access that it
// says, and every other method is not.
func TestDocumentAgreesWithRoutes(t *testing.T) {
	r := start(t)
	d := openAPI(t, r)
	if !strings.HasPrefix(d.OpenAPI, "3.") || len(d.Paths) < 14 {
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
			}
			if documented && (op.Summary == "" || len(op.Responses) < 2) {
				t.Errorf("%s %s says too little: %+v", method, path, op)
			}
			if documented && strings.Count(path, "{") > len(op.Parameters) {
				t.Errorf("%s %s does not name its parameters", method, path)
			}
		}
	}
	r.problem(r.do(request{method: "GET", path: "/v1/nothing"}), 404)
}

// Every reference in the document leads somewhere.
func TestReferences(t *testing.T) {
	r := start(t)
	d := openAPI(t, r)
	a := r.do(request{method: "GET", path: "/openapi.json"})
	parts := strings.Split(a.body, `"$ref":"#/components/schemas/`)
	for _, p := range parts[1:] {
		name, _, _ := strings.Cut(p, `"`)
		if d.Components.Schemas[name] == nil {
			t.Errorf("there is no schema %s", name)
		}
	}
	if len(parts) < 20 {
		t.Errorf("%d references; the test has gone blind", len(parts))
	}
}
