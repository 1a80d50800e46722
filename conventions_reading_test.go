package chatbell_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"regexp"
	"strings"
	"testing"
)

// production calls f for each file of Go that is part of a binary, with its comments.
func production(t *testing.T, f func(name string, files *token.FileSet, parsed *ast.File)) {
	t.Helper()
	tracked(t, func(name string, data []byte) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || suite(path.Dir(name)) {
			return
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, name, bytes.NewReader(data), parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		f(name, files, parsed)
	})
}

// An assignment says one thing, or two that belong together. Values that only change
// places, and what one call returns, may be more.
func TestConventionsOneThingALine(t *testing.T) {
	production(t, func(name string, files *token.FileSet, parsed *ast.File) {
		ast.Inspect(parsed, func(node ast.Node) bool {
			if crowded(node) {
				t.Errorf("%s:%d assigns several values that have nothing to do with each other: one a line", name, files.Position(node.Pos()).Line)
			}
			return true
		})
	})
}

func TestConventionsOneThingALineFinds(t *testing.T) {
	for code, want := range map[string]bool{
		"a, b, c := 1, 2, 3":                       true,
		"a, b, c = 1, 2, 3":                        true,
		"var a, b, c = 1, 2, 3":                    true,
		"const a, b, c = 1, 2, 3":                  true,
		"for a, b, c := 1, 2, 3; a < b; { _ = c }": true,
		"a, b := 1, 2":                             false,
		"a, b, c = b, c, a":                        false,
		"a, b, c := f()":                           false,
	} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc p() {\n"+code+"\n}\n", 0)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		ast.Inspect(parsed, func(node ast.Node) bool {
			found = found || crowded(node)
			return true
		})
		if found != want {
			t.Errorf("%s: refused = %v, want %v", code, found, want)
		}
	}
}

// crowded says whether a node assigns three values or more that do not change places.
func crowded(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.ValueSpec:
		return len(node.Values) > 2
	case *ast.AssignStmt:
		return len(node.Rhs) > 2 && !permutes(node)
	}
	return false
}

func permutes(node *ast.AssignStmt) bool {
	taken := map[string]bool{}
	for _, value := range node.Rhs {
		taken[types.ExprString(value)] = true
	}
	for _, target := range node.Lhs {
		if !taken[types.ExprString(target)] {
			return false
		}
	}
	return true
}

// fieldWords are the field's own names of what packages do, so that an engineer who looks
// for one finds it: each stands in a doc comment of its package.
var fieldWords = map[string][]string{
	"circuit breaker": {"pipeline/deliver"},
	"bulkhead":        {"pipeline/deliver"},
	"keyed fifo":      {"internal/fifo", "pipeline/deliver"},
	"worker pool":     {"pipeline/deliver"},
	"in flight":       {"pipeline/deliver", "pipeline/jetstream"},
	"backpressure":    {"pipeline", "pipeline/intake", "pipeline/deliver"},
	"dead letter":     {"pipeline", "pipeline/jetstream"},
	"redelivery":      {"pipeline/jetstream", "pipeline/work", "pipeline/ledger"},
	"idempotency key": {".", "pipeline/intake"},
	"at-least-once":   {"pipeline", "pipeline/jetstream"},
	"ordering key":    {"pipeline/work", "pipeline/jetstream", "internal/fifo"},
	"backoff":         {"internal/backoff"},
}

var spaces = regexp.MustCompile(`\s+`)

func TestConventionsFieldWords(t *testing.T) {
	said := map[string]string{}
	production(t, func(name string, _ *token.FileSet, parsed *ast.File) {
		folder := path.Dir(name)
		ast.Inspect(parsed, func(node ast.Node) bool {
			if doc := docOf(node); doc != "" {
				said[folder] += strings.ToLower(doc)
			}
			return true
		})
	})
	for word, folders := range fieldWords {
		for _, folder := range folders {
			if !strings.Contains(spaces.ReplaceAllString(said[folder], " "), word) {
				t.Errorf("no doc comment of %s says %q: it is what an engineer of the field looks for", folder, word)
			}
		}
	}
}

// docOf is the doc comment of a file, a declaration or a field.
func docOf(node ast.Node) string {
	switch node := node.(type) {
	case *ast.File:
		return node.Doc.Text()
	case *ast.FuncDecl:
		return node.Doc.Text()
	case *ast.GenDecl:
		return node.Doc.Text()
	case *ast.TypeSpec:
		return node.Doc.Text()
	case *ast.ValueSpec:
		return node.Doc.Text()
	case *ast.Field:
		return node.Doc.Text()
	}
	return ""
}
