package engine

import (
	"fmt"
	"slices"
	"strings"
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

// Strings between tags are found, and a text full of tags does not take for ever: only so
// many are looked for.
func TestTags(t *testing.T) {
	t.Parallel()
	for lost, want := range map[int]tokenKind{0: textToken, maxTags - 1: textToken, maxTags: wordToken, 50_000: wordToken} {
		var text strings.Builder
		for i := range lost {
			fmt.Fprintf(&text, "$x%d$, ", i)
		}
		text.WriteString("$y$ it's $y$")
		if lost >= maxTags {
			text.WriteString("' y") // the quote's end
		}
		list := tokens(text.String())
		if got := list[len(list)-1].kind; got != want {
			t.Errorf("behind %d tags without an end: kind %d, want %d", lost, got, want)
		}
	}
}

// Whatever an analyst sends is cut into pieces that follow each other, and rewriting it
// does not fail.
func FuzzTokens(f *testing.F) {
	for _, text := range []string{
		"SELECT 1 SETTINGS max_threads = 1, a = 'x' FORMAT CSV;", "SHOW GRANTS FOR `a`", "SELECT user(), currentUser ( ) -- x", "SELECT $a$ x $a$, 'a\\'b', \"c\", `d`", "/* x", "'x", "1.5e3 SETTINGS a = -",
	} {
		f.Add(text)
	}
	h := &handler{auth: auth{analystUser: "ann"}}
	f.Fuzz(func(t *testing.T, text string) {
		for _, list := range [][]token{tokens(text), plainTokens(text)} {
			at := 0
			for _, tok := range list {
				if tok.start < at || tok.end <= tok.start || tok.end > len(text) || tok.text != text[tok.start:tok.end] {
					t.Fatalf("%q: token %+v after %d", text, tok, at)
				}
				at = tok.end
			}
		}
		rest, set := lifted(h.rewritten(text))
		if set != nil && len(set) == 0 {
			t.Errorf("%q: an empty SETTINGS clause was taken from %q", text, rest)
		}
	})
}
