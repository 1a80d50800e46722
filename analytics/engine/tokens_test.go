package engine

import (
	"slices"
	"testing"
)

// In a text that the engine spelled nothing is hidden by what looks like a comment or like
// a string between tags.
func TestPlainTokens(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"a--file(1)":              {"a", "-", "-", "file", "(", "1", ")"},
		"a /*file(1)*/":           {"a", "/", "*", "file", "(", "1", ")", "*", "/"},
		"# file":                  {"#", "file"},
		"$x$ file $x$":            {"$", "x$", "file", "$", "x$"},
		`'it\'s -- ''x' file`:     {`'it\'s -- ''x'`, "file"},
		"`a\\`b` \"c\"":           {"`a\\`b`", `"c"`},
		"SELECT t.1, 1.5e3, x::y": {"SELECT", "t", ".", "1", ",", "1.5e3", ",", "x", ":", ":", "y"},
	} {
		var got []string
		for _, tok := range plainTokens(text) {
			got = append(got, tok.text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
