package templates

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName bounds a name, in characters: no phone shows more in a line, and a longer
// one would push everything else out of the payload.
const maxName = 200

// Name is what to call somebody or something: the name, or the id where nothing of
// the name can be shown.
func Name(name, id string) string {
	if s := cleanName(name); s != "" {
		return s
	}
	return cleanName(id)
}

// cleanName makes a name fit for one line: blanks for line breaks and tabs, no
// control characters, no characters that turn the direction of what follows, and an
// ellipsis after maxName characters. Joiners stay: emoji and Persian need them.
func cleanName(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			r = ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u200b', r == '\ufeff':
			continue
		}
		if r == ' ' && b.Len() == 0 {
			continue
		}
		if n++; n > maxName {
			return strings.TrimRightFunc(b.String(), endsBadly) + "…"
		}
		b.WriteRune(r) // invalid UTF-8 comes out of the range as U+FFFD
	}
	return strings.TrimRight(b.String(), " ")
}

// endsBadly reports whether a name that was cut should not end in r: a blank, or a
// joiner that waits for its other half.
func endsBadly(r rune) bool { return r == ' ' || r == '\u200d' }

// isPlain reports whether a name is short printable ASCII without blanks at its
// ends: nothing to clean, nothing to allocate.
func isPlain(s string) bool {
	if s == "" || len(s) > maxName || s[0] == ' ' || s[len(s)-1] == ' ' {
		return s == ""
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= utf8.RuneSelf || s[i] == 0x7f {
			return false
		}
	}
	return true
}
