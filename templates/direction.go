package templates

import (
	"strings"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/bidi"
)

// First strong isolate and pop directional isolate (Unicode UAX #9).
const (
	isolateStart = '\u2068'
	isolateEnd   = '\u2069'
)

// turns reports whether the text's first strong character goes the other way than
// the language.
func (v *values) turns(s string) bool {
	for _, r := range s {
		p, _ := bidi.LookupRune(r)
		switch p.Class() {
		case bidi.L:
			return v.rtl
		case bidi.R, bidi.AL:
			return !v.rtl
		}
	}
	return false
}

// rightToLeft reports whether a language is written from right to left.
func rightToLeft(tag language.Tag) bool {
	script, _ := tag.Script()
	switch script.String() {
	case "Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm":
		return true
	}
	return false
}

// maxName bounds a name, in characters: no chat shows more, and a longer one would
// push everything else out of the payload.
const maxName = 200

// cleanName makes a name fit for one line: no line breaks, no control characters,
// and none of the characters that turn the direction of what follows.
func cleanName(s string) string {
	n := 0
	s = strings.Map(func(r rune) rune {
		n++
		switch {
		case n > maxName:
			return -1
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r), r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return strings.TrimSpace(s)
}
