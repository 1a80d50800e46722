package sandbox

import (
	"encoding/json"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// width is how many columns of a terminal a text takes.
func width(s string) int { return uniseg.StringWidth(s) }

// clean makes a text safe for a terminal: no control characters, with which a
// message could move the cursor, no direction overrides, with which it could write
// into the boxes of others, and one line. Isolates stay: they protect.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	text = strings.Map(func(r rune) rune {
		if r >= '\u202a' && r <= '\u202e' {
			return -1
		}
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
	return strings.TrimSpace(text)
}

// cut shortens a text to a width, at the border of a character, with … at its end.
func cut(text string, limit int) string {
	if width(text) <= limit {
		return text
	}
	var out strings.Builder
	used := 0
	rest := text
	state := -1
	for rest != "" {
		var cluster string
		var wide int
		cluster, rest, wide, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used+wide > limit-1 {
			break
		}
		out.WriteString(cluster)
		used += wide
	}
	if limit < 1 {
		return ""
	}
	return closed(strings.TrimRight(out.String(), " ")) + "…"
}

// pad fills a text up to a width.
func pad(s string, limit int) string {
	return s + strings.Repeat(" ", max(0, limit-width(s)))
}

// closed ends the direction isolates that a text opens, so that what stands behind
// it on the line keeps its place. Both marks take no column.
func closed(text string) string {
	open := 0
	for _, char := range text {
		switch {
		case char >= '\u2066' && char <= '\u2068':
			open++
		case char == '\u2069' && open > 0:
			open--
		}
	}
	return text + strings.Repeat("\u2069", open)
}

// isRTL reports whether a text is written from right to left, by its first letter.
func isRTL(s string) bool {
	for _, char := range s {
		if unicode.IsLetter(char) {
			return unicode.In(char, unicode.Arabic, unicode.Hebrew)
		}
	}
	return false
}

// side puts the lines of a text that is written from right to left at the right.
func side(line string, rtl bool, limit int) string {
	if rtl {
		return strings.Repeat(" ", max(0, limit-width(line))) + line
	}
	return line
}

// wrap breaks a text into at most so many lines, where a line may break; the last
// one is cut.
func wrap(text string, limit, lines int) []string {
	var out []string
	for text != "" && len(out) < lines-1 && width(text) > limit {
		line, rest := breakLine(text, limit)
		if line == "" || rest == "" {
			break
		}
		out = append(out, line)
		text = rest
	}
	if text != "" {
		out = append(out, cut(text, limit))
	}
	return out
}

// breakLine takes as much as fits into a line. A word that is wider than the line
// is left to be cut.
func breakLine(text string, limit int) (line, rest string) {
	end := 0
	left := text
	state := -1
	for left != "" {
		var segment string
		segment, left, _, state = uniseg.FirstLineSegmentInString(left, state)
		if width(strings.TrimRight(text[:end+len(segment)], " ")) > limit {
			break
		}
		end += len(segment)
	}
	return closed(strings.TrimRight(text[:end], " ")), strings.TrimLeft(text[end:], " ")
}

// describe says what a webhook's body is about, in either of the two forms.
func (w *Webhook) describe() (event string, people int, text string) {
	var b struct {
		Event     string `json:"event"`
		EventType string `json:"eventType"`
		Path      string `json:"path"`
		Data      struct {
			TargetIDs []string `json:"targetIds"`
			Title     string   `json:"title"`
			Body      string   `json:"body"`
		} `json:"data"`
	}
	if json.Unmarshal(w.Body, &b) != nil {
		return "something else", 0, ""
	}
	if b.Event != "" {
		return b.Event, 0, ""
	}
	return b.EventType + " " + b.Path, len(b.Data.TargetIDs), strings.Trim(b.Data.Title+" | "+b.Data.Body, " |")
}
