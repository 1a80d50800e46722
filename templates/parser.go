package templates

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/nicksnyder/go-i18n/v2/i18n/template"
)

// placeholders are the names that a text may use.
func placeholders() []string { return []string{"Actor", "Channel", "Subject", "Text", "Count"} }

// syntaxError is where a text is wrong, and why.
type syntaxError struct {
	Line, Column int // from 1; the column counts characters
	Detail       string
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

// at makes an error about a byte position of a text.
func at(src string, pos int, detail string) *syntaxError {
	before := src[:pos]
	return &syntaxError{
		Line:   strings.Count(before, "\n") + 1,
		Column: utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1,
		Detail: detail,
	}
}

// part is a run of letters or, where name is set, a placeholder.
type part struct {
	text, name string
}

// parse reads a text: letters, and {{.Name}} with optional blanks inside the braces.
// A single brace is a letter like any other; two of them are never.
func parse(src string) ([]part, *syntaxError) {
	var parts []part
	for pos := 0; pos < len(src); {
		rest := src[pos:]
		open := strings.Index(rest, "{{")
		if open < 0 {
			open = len(rest)
		}
		if stray := strings.Index(rest[:open], "}}"); stray >= 0 {
			return nil, at(src, pos+stray, "these braces were never opened; write {{.Name}}")
		}
		if open > 0 {
			parts = append(parts, part{text: rest[:open]})
		}
		if pos += open; pos == len(src) {
			break
		}
		name, n, err := placeholder(src, pos)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{name: name})
		pos += n
	}
	return parts, nil
}

// placeholder reads the one that begins at pos, and says how many bytes it has.
func placeholder(src string, pos int) (name string, n int, err *syntaxError) {
	end := strings.Index(src[pos:], "}}")
	if end < 0 {
		return "", 0, at(src, pos, "these braces are never closed; write {{.Name}}")
	}
	inside := strings.Trim(src[pos+2:pos+end], " ")
	name, dot := strings.CutPrefix(inside, ".")
	if !dot || !slices.Contains(placeholders(), name) {
		return "", 0, at(src, pos, fmt.Sprintf("%q is no placeholder; there are .%s", clip(inside), strings.Join(placeholders(), ", .")))
	}
	return name, end + 2, nil
}

// clip keeps an error about a huge text small.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
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
	return newParsed(parts), nil
}

// parsed is a text that can be rendered.
type parsed struct {
	parts []part
	alone bool // one placeholder and no words
}

func newParsed(parts []part) *parsed {
	names := 0
	others := false
	for _, p := range parts {
		if p.name != "" {
			names++
		}
		others = others || strings.TrimSpace(p.text) != ""
	}
	return &parsed{parts: parts, alone: names == 1 && !others}
}

// Execute fills the placeholders in. It cannot fail on what parse accepted.
func (p *parsed) Execute(data any) (string, error) {
	vals, ok := data.(*values)
	if !ok {
		return "", fmt.Errorf("render with %T: want the catalogue's own values", data)
	}
	var out strings.Builder
	lacks := false
	for _, one := range p.parts {
		if one.name == "" {
			out.WriteString(one.text)
			continue
		}
		value := vals.get(one.name)
		lacks = lacks || value == ""
		if !p.alone && turns(value, vals.rtl) {
			out.WriteRune(isolateStart)
			out.WriteString(value)
			out.WriteRune(isolateEnd)
			continue
		}
		out.WriteString(value)
	}
	if lacks {
		return tidy(out.String()), nil
	}
	return out.String(), nil
}

// tidy takes away what stands around a name that is not there: "Ann ()" becomes
// "Ann", "() Ann" too.
func tidy(s string) string {
	s = strings.NewReplacer("()", "", "（）", "").Replace(s)
	return strings.TrimSpace(strings.ReplaceAll(s, "  ", " "))
}

// values are what the placeholders of one text stand for.
type values struct {
	in  *Input
	rtl bool // the text's language is written from right to left
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
