package templates

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/nicksnyder/go-i18n/v2/i18n/template"
)

// placeholders are the names that a text may use.
var placeholders = [...]string{"Actor", "Channel", "Subject", "Text", "Count"}

// syntaxError is where a text is wrong, and why.
type syntaxError struct {
	Line, Column int // from 1; the column counts characters
	Detail       string
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

// part is a run of letters or, where name is set, a placeholder.
type part struct {
	text, name string
}

// parse reads a text: letters, and {{.Name}} with optional blanks inside the braces.
func parse(src string) ([]part, error) {
	var parts []part
	at := 0
	fail := func(pos int, detail string) ([]part, error) {
		before := src[:pos]
		line := strings.Count(before, "\n") + 1
		column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
		return nil, &syntaxError{Line: line, Column: column, Detail: detail}
	}
	for at < len(src) {
		open := strings.Index(src[at:], "{{")
		if open < 0 {
			parts = append(parts, part{text: src[at:]})
			break
		}
		if open > 0 {
			parts = append(parts, part{text: src[at : at+open]})
		}
		at += open
		end := strings.Index(src[at:], "}}")
		if end < 0 {
			return fail(at, "the braces are never closed; write {{.Name}}")
		}
		inside := strings.TrimSpace(src[at+2 : at+end])
		name, ok := strings.CutPrefix(inside, ".")
		if !ok || !known(name) {
			return fail(at, fmt.Sprintf("%q is not a placeholder; there are .%s", clip(inside), strings.Join(placeholders[:], ", .")))
		}
		parts = append(parts, part{name: name})
		at += end + 2
	}
	return parts, nil
}

// clip keeps an error about a huge text small.
func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

func known(name string) bool {
	for _, p := range placeholders {
		if p == name {
			return true
		}
	}
	return false
}

// parser is go-i18n's template.Parser.
type parser struct{}

// Cacheable reports that a parsed text can be kept.
func (parser) Cacheable() bool { return true }

// Parse reads a text; other delimiters than the usual are not a feature of ours.
func (parser) Parse(src, _, _ string) (template.ParsedTemplate, error) {
	parts, err := parse(src)
	if err != nil {
		return nil, err
	}
	return parsed(parts), nil
}

type parsed []part

// Execute fills the placeholders in. It cannot fail on what parse accepted.
func (p parsed) Execute(data any) (string, error) {
	v, ok := data.(*values)
	if !ok {
		return "", fmt.Errorf("render with %T: want the catalogue's own values", data)
	}
	var b strings.Builder
	alone := len(p) == 1
	for _, x := range p {
		if x.name == "" {
			b.WriteString(x.text)
			continue
		}
		s := v.get(x.name)
		if !alone && x.name != "Count" && v.turns(s) {
			b.WriteRune(isolateStart)
			b.WriteString(s)
			b.WriteRune(isolateEnd)
			continue
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// values are what the placeholders of one text stand for.
type values struct {
	in  *Input
	rtl bool // the language is written from right to left
}

func (v *values) get(name string) string {
	switch name {
	case "Actor":
		return v.in.Actor
	case "Channel":
		return v.in.Channel
	case "Subject":
		return v.in.Subject
	case "Text":
		return v.in.Text
	default:
		return strconv.Itoa(v.in.Count)
	}
}
