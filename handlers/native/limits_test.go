package native_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// variant is a body that differs at one place from one that is good.
type variant struct {
	at   string // pointer to the place
	what string
	body []byte
	good bool
}

// varier makes of a good body every body that its schema allows or forbids by one rule at
// one place: too long, too many, another type, missing, unknown.
type varier struct {
	d    *document
	root any
	out  []variant
	err  error
}

// place is where another value can be put for a while.
type place struct {
	at    string
	value any
	set   func(any)
}

// absent is put where there shall be nothing.
type absent struct{}

func (d *document) vary(s schema, body string) ([]variant, error) {
	v := &varier{d: d}
	exact := json.NewDecoder(strings.NewReader(body))
	exact.UseNumber()
	if err := exact.Decode(&v.root); err != nil {
		return nil, err
	}
	v.walk(s, place{"", v.root, func(value any) { v.root = value }})
	return v.out, v.err
}

func (v *varier) add(p place, what string, value any, good bool) {
	p.set(value)
	body, err := json.Marshal(v.root)
	p.set(p.value)
	v.err = errors.Join(v.err, err)
	v.out = append(v.out, variant{p.at, what, body, good})
}

func (v *varier) walk(s schema, p place) {
	s = v.d.follow(s, p.value)
	v.values(s, p)
	switch members := p.value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(members)) {
			inner, known := s.Properties[name]
			if !known {
				continue // a caller's own name
			}
			member := place{p.at + "/" + name, members[name], func(value any) {
				if members[name] = value; value == (absent{}) {
					delete(members, name)
				}
			}}
			v.walk(inner, member)
			v.add(member, "missing", absent{}, !slices.Contains(s.Required, name))
		}
	case []any:
		for i := range members {
			v.walk(*s.Items, place{p.at + "/" + strconv.Itoa(i), members[i], func(value any) { members[i] = value }})
		}
	}
}

// follow resolves references, and takes of several schemas the one that is meant.
func (d *document) follow(s schema, v any) schema {
	for _, one := range append(s.OneOf, s.AnyOf...) {
		one = d.follow(one, v)
		switch v.(type) {
		case []any:
			if one.is("array") {
				return one
			}
		case map[string]any:
			if one.is("object") {
				return one
			}
		}
	}
	if s.Ref != "" {
		return d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return s
}

// values tries what a schema says of the value at one place.
func (v *varier) values(s schema, p place) {
	if s.Type == nil {
		v.add(p, "any value", []any{1, "x", nil}, true)
		return
	}
	for kind, value := range map[string]any{"string": "x", "object": map[string]any{}, "array": []any{}, "boolean": true, "integer": 7} {
		if !s.is(kind) && !s.is("null") {
			v.add(p, "another type", value, false)
		}
	}
	v.texts(s, p)
	if s.Minimum != nil {
		v.add(p, "too small", *s.Minimum-1, false)
		v.add(p, "as small as may be", *s.Minimum, true)
	}
	if items, ok := p.value.([]any); ok && len(items) > 0 && s.MaxItems != nil {
		v.add(p, "too many", slices.Repeat(items[:1], *s.MaxItems+1), false)
		v.add(p, "as many as may be", slices.Repeat(items[:1], *s.MaxItems), true)
	}
	if members, ok := p.value.(map[string]any); ok && s.Properties != nil {
		more := maps.Clone(members)
		more["nonsense"] = 1
		v.add(p, "an unknown member", more, s.AdditionalProperties != false)
	}
}

func (v *varier) texts(s schema, p place) {
	long := func(n int) string { return strings.Repeat("x", n) }
	if len(s.Enum) > 0 {
		v.add(p, "a value that is not in the list", "nonsense", false)
		for _, value := range s.Enum {
			v.add(p, "a value of the list", value, true)
		}
	}
	if s.MaxLength != nil {
		v.add(p, "too long", long(*s.MaxLength+1), false)
		v.add(p, "as long as may be", long(*s.MaxLength), true)
	}
	if s.MinLength != nil {
		v.add(p, "too short", long(*s.MinLength-1), false)
	}
	if s.Pattern != "" {
		v.add(p, "of another form", "?!", false)
	}
	if s.Format == "date-time" {
		v.add(p, "no time", "yesterday", false)
	}
}

// bodies are an operation's request bodies but lines, whose objects are the schemas of
// other routes.
func (o *operation) bodies() map[string]content {
	out := map[string]content{}
	if o.RequestBody == nil {
		return out
	}
	for media, form := range o.RequestBody.Content {
		if !form.Schema.is("string") {
			out[media] = form
		}
	}
	return out
}

// What a schema cannot say: rules between members, and words of other standards.
var notSaid = []struct{ path, at, what string }{
	{"", "/locale", "as long as may be"}, // not every text is a language
	{"/v1/devices", "/user", "missing"},  // but for a user's own token
	{"/v1/events", "/channel", "missing"},
	{"/v1/events", "/message", "missing"},
	{"/v1/events", "/message/type", "missing"},
	{"/v1/events", "/members", "missing"},
	{"", "/id", "as long as may be"},       // the path's id is another
	{"/v1/events", "/actor/id", "missing"}, // an actor of whom nothing is said is none
	{"/v1/events", "/actor/id", "too short"},
	{"/v1/events", "/channel/id", "missing"}, // and so is a channel
	{"/v1/events", "/channel/id", "too short"},
}

// The document's rules are the server's: what a schema forbids is refused, with a
// pointer to the place, and what it allows is taken.
func TestSchemasAreTheRules(t *testing.T) {
	r := start(t)
	d := openAPI(t)
	good, bad := 0, 0
	d.each(func(method, path string, op operation) {
		for media, form := range op.bodies() {
			rules := at(method, path, "requestBody", "content", media, "schema")
			for name, e := range form.Examples {
				variants, err := d.vary(form.Schema, string(e.Value))
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range variants {
					if err := d.validate(rules, v.body); (err == nil) != v.good {
						t.Errorf("%s %s %s with %q %s: the schema says %v", method, path, name, v.at, v.what, err)
					}
					if v.good {
						good++
					} else {
						bad++
					}
					if put, ok := d.Paths[path]["put"]; ok && method == "PATCH" { // a patch is merged into what is there
						r.ok("PUT", concrete(path, "x"), string(put.RequestBody.Content["application/json"].Examples["settings"].Value))
					}
					a := r.do(request{method: method, path: concrete(path, "x"), body: string(v.body), media: media})
					if wrong := verdict(path, v, a); wrong != "" {
						t.Errorf("%s %s, example %s, %s at %q: %s\n  %.300s\n  %d %.300s", method, path, name, v.what, v.at, wrong, v.body, a.status, a.body)
					}
				}
			}
		}
	})
	if good < 100 || bad < 300 {
		t.Errorf("only %d good and %d bad bodies were sent", good, bad)
	}
}

var inList = regexp.MustCompile(`^/[0-9]+`)

// verdict says what is wrong with the answer to a variant.
func verdict(path string, v variant, a answer) string {
	for _, except := range notSaid {
		if (except.path == "" || except.path == path) && strings.HasSuffix(v.at, except.at) && except.what == v.what {
			return ""
		}
	}
	if path == "/v1/events" {
		v.at = inList.ReplaceAllString(v.at, "") // pointers are relative to the event
	}
	taken := a.status == 200 || a.status == 202
	switch {
	case v.good && !taken:
		return "is refused"
	case !v.good && taken:
		return "is taken"
	case !v.good && v.at != "" && !strings.Contains(a.body, fmt.Sprintf(`"pointer":%q`, v.at)) && !strings.Contains(a.body, fmt.Sprintf(`"pointer":"%s/`, v.at)):
		return "is refused for something else"
	}
	return ""
}

// The same for parameters.
func TestParametersAreTheRules(t *testing.T) {
	r := start(t)
	tried := 0
	openAPI(t).each(func(method, path string, op operation) {
		for _, p := range op.Parameters {
			if p.Name == "network" || p.In == "header" {
				continue // it means something with the admin key only; the header is not ours
			}
			for _, value := range badValues(p) {
				tried++
				target := concrete(strings.Replace(path, "{"+p.Name+"}", url.PathEscape(value), 1), "x")
				if p.In == "query" {
					target += "?" + url.Values{p.Name: {value}}.Encode()
				}
				a := r.do(request{method: method, path: target, body: "{}"})
				if wrong := r.problem(a, 400); wrong["/"+p.Name] == "" {
					t.Errorf("%s %.60s: %s = %.20q: mistakes at %v", method, target, p.Name, value, wrong)
				}
			}
		}
	})
	if tried < 31 {
		t.Errorf("only %d values were tried", tried)
	}
}

func badValues(p param) []string {
	var out []string
	if n := p.Schema.MaxLength; n != nil {
		out = append(out, strings.Repeat("x", *n+1))
	}
	if n := p.Schema.Minimum; n != nil {
		out = append(out, strconv.Itoa(*n-1))
	}
	if n := p.Schema.Maximum; n != nil {
		out = append(out, strconv.Itoa(*n+1))
	}
	if p.Schema.is("integer") {
		out = append(out, "many")
	}
	return out
}

// A path and a body that name two different things are refused: one of the two would
// have to be ignored, and it could be the one that was meant.
func TestPathAndBodyDisagree(t *testing.T) {
	r := start(t)
	for _, path := range []string{"/v1/users/u1", "/v1/channels/u1", "/v1/channels/c/members/u1"} {
		r.ok("PUT", path, `{"id":"u1","name":"First"}`)
		wrong := r.problem(r.do(request{method: "PUT", path: path, body: `{"id":"other","name":"Second"}`}), 400)
		if !strings.Contains(wrong["/id"], `"u1"`) {
			t.Errorf("%s: mistakes at %v", path, wrong)
		}
		r.ok("PUT", path, `{"id":"","name":"First"}`) // an empty id names nothing
	}
	for _, path := range []string{"/v1/users/u1", "/v1/channels/u1"} {
		if a := r.ok("GET", path, ""); !strings.Contains(a.body, `"First"`) {
			t.Errorf("%s was changed: %s", path, a.body)
		}
	}
	r.problem(r.do(request{method: "GET", path: "/v1/users/other"}), 404)
	// A member needs no body, and its id no repeating.
	same(t, "a member without a body", r.ok("PUT", "/v1/channels/c/members/u2", "").body, `{"id":"u2"}`)
	same(t, "a member with roles", r.ok("PUT", "/v1/channels/c/members/u2", `{"roles":["m"]}`).body, `{"id":"u2","roles":["m"]}`)
	if op := openAPI(t).Paths["/v1/channels/{channel}/members/{user}"]["put"]; op.RequestBody.Required {
		t.Error("the document demands a body for a member")
	}
}

// A list of lines is one text to a validating proxy, not an object.
func TestLinesAreText(t *testing.T) {
	found := 0
	d := openAPI(t)
	d.each(func(method, path string, op operation) {
		if op.RequestBody == nil {
			return
		}
		form, ok := op.RequestBody.Content["application/x-ndjson"]
		if !ok {
			return
		}
		found++
		lines, err := json.Marshal("{\"id\":\"a\"}\n{\"id\":\"b\"}\n")
		if err != nil {
			t.Fatal(err)
		}
		err = d.validate(at(method, path, "requestBody", "content", "application/x-ndjson", "schema"), lines)
		if err != nil || !strings.Contains(form.Schema.Description, "a line") {
			t.Errorf("%s %s: %v, %q", method, path, err, form.Schema.Description)
		}
	})
	if found != 2 {
		t.Errorf("%d routes take lines", found)
	}
}
