package amity_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"chatbell/handlers/amity"
	"chatbell/handlers/web"
)

var update = flag.Bool("update", false, "write docs/openapi-amity.json and the golden files anew")

const (
	published    = "../../docs/openapi-amity.json"
	documentPath = "/amity/openapi.json"
)

// describe is the surface's document.
func describe() ([]byte, error) {
	h, err := amity.New(amity.Config{
		Common: web.Common{Keys: keys{}, Log: slog.New(slog.DiscardHandler)}, Intake: &door{}, State: struct{ amity.State }{}, Version: "dev",
	})
	if err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, documentPath, nil))
	var out bytes.Buffer
	err = json.Indent(&out, w.Body.Bytes(), "", "  ")
	out.WriteByte('\n')
	return out.Bytes(), err
}

// The document that lies in docs/ is the one that the server gives. Write it anew with:
//
//	go test ./handlers/amity -run TestPublishedDocument -update
func TestPublishedDocument(t *testing.T) {
	got, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(published, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/openapi-amity.json is not what the server says; run this test with -update")
	}
}

// document is what the server says of itself, as a validating proxy reads it.
type document struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Ref     string `json:"$ref"`
			Content map[string]json.RawMessage
		}
		RequestBody struct {
			Content map[string]struct {
				Examples map[string]struct{ Value json.RawMessage }
			}
		} `json:"requestBody"`
	}
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

var readDocument = sync.OnceValues(func() (*document, error) {
	text, err := describe()
	if err != nil {
		return nil, err
	}
	d := &document{compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, err
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	d.compiler.AssertFormat()
	return d, d.compiler.AddResource("openapi.json", whole)
})

func openAPI(t testing.TB) *document {
	t.Helper()
	d, err := readDocument()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// conforms checks that an answer is one that the document promises.
func (d *document) conforms(method, target string, a answer) error {
	path, _, _ := strings.Cut(target, "?")
	op, ok := d.Paths[path][strings.ToLower(method)]
	if !ok {
		return nil // not a route of ours
	}
	status := strconv.Itoa(a.status)
	if a.status == http.StatusInternalServerError {
		status = "default"
	}
	said, ok := op.Responses[status]
	if !ok {
		return fmt.Errorf("the status %s is not documented", status)
	}
	place := "/paths/" + strings.ReplaceAll(path, "/", "~1") + "/" + strings.ToLower(method) + "/responses/" + status
	if said.Ref != "" {
		place = strings.TrimPrefix(said.Ref, "#")
	} else if said.Content[web.MediaJSON] == nil {
		return fmt.Errorf("a %s has no JSON", status)
	}
	return d.validate(place+"/content/application~1json/schema", a.body)
}

func (d *document) validate(place, value string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.compiled[place]
	if s == nil {
		var err error
		if s, err = d.compiler.Compile("openapi.json#" + place); err != nil {
			return err
		}
		d.compiled[place] = s
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(value))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// Every example of a request can be sent as it is.
func TestExamples(t *testing.T) {
	r := start(t)
	sent := 0
	for path, item := range openAPI(t).Paths {
		for method, op := range item {
			for _, example := range op.RequestBody.Content[web.MediaJSON].Examples {
				sent++
				method, body := strings.ToUpper(method), string(example.Value)
				var a answer
				switch {
				case strings.Contains(path, "hooks"):
					a = r.amity(body)
				case strings.HasPrefix(path, "/api/v3"):
					a = r.user("alice", method, path, body)
				case method == "DELETE":
					r.register("phone-1", "alice")
					a = r.backend(method, path, body)
				default:
					a = r.backend(method, path, body)
				}
				if a.status != http.StatusOK && method != "DELETE" {
					t.Errorf("%s %s %s: %d %s", method, path, body, a.status, a.body)
				}
			}
		}
	}
	if sent < 6 {
		t.Errorf("only %d examples", sent)
	}
}
