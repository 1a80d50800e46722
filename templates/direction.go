package templates

import (
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/bidi"
)

// First strong isolate and pop directional isolate (Unicode UAX #9).
const (
	isolateStart = '\u2068'
	isolateEnd   = '\u2069'
)

// turns reports whether the first strong character of s goes the other way than a
// language that is, or is not, written from right to left.
func turns(s string, rtl bool) bool {
	for _, char := range s {
		p, _ := bidi.LookupRune(char)
		switch p.Class() {
		case bidi.L:
			return rtl
		case bidi.R, bidi.AL:
			return !rtl
		default: // weak and neutral characters decide nothing
		}
	}
	return false
}

// rightToLeft reports whether a language is written from right to left.
func rightToLeft(tag language.Tag) bool {
	script, _ := tag.Script()
	switch script.String() {
	case "Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm", "Rohg", "Mand", "Samr":
		return true
	}
	return false
}
