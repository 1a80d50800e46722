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
	if value := cleanName(name); value != "" {
		return value
	}
	return cleanName(id)
}

// cleanName makes a name fit for one line: blanks for line breaks and tabs, no
// control characters, no characters that turn the direction of what follows, and an
// ellipsis after maxName characters. Joiners stay: emoji and Persian need them.
func cleanName(value string) string {
	if isPlain(value) {
		return value
	}
	var out strings.Builder
	n := 0
	for _, char := range value {
		switch {
		case char == '\n' || char == '\r' || char == '\t' || char == '\u0085' || char == '\u2028' || char == '\u2029':
			char = ' '
		case unicode.IsControl(char), unicode.Is(unicode.Bidi_Control, char), char == '\u200b', char == '\ufeff':
			continue
		}
		if char == ' ' && out.Len() == 0 {
			continue
		}
		if n++; n > maxName {
			return strings.TrimRightFunc(out.String(), endsBadly) + "…"
		}
		out.WriteRune(char) // invalid UTF-8 comes out of the range as U+FFFD
	}
	return strings.TrimRight(out.String(), " ")
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
