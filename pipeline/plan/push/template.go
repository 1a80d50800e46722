package push

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
)

// Template is a payload whose texts hold actions in Go's template language: each string of
// the JSON that has {{ in it is one template, and what it gives is written as a JSON string
// again, so that no value can break out of its quotes. All else stays as it was, byte for
// byte. Immutable, and safe for concurrent use.
//
// A stranger writes it, so it has no loops, no calls of other templates, and no functions
// but those of [functions]: it takes as long as it is long.
type Template struct {
	parts []part
}

// part is a piece of the payload: bytes, or a template for one string.
type part struct {
	bytes []byte
	text  *template.Template
}

// Values are what a template can name.
type Values struct {
	DeviceID, User string
	Meta           map[string]string
	// Words are those of the device's language.
	Words map[string]string
}

// MaxRendered bounds a payload with its values, in bytes: far beyond what any provider takes.
const MaxRendered = 64 << 10

var errRendered = fmt.Errorf("the payload has more than %d bytes with its values", MaxRendered)

// functions are what a template may call. Default gives its second value, or else the first.
var functions = template.FuncMap{
	"default": func(otherwise, value any) any {
		if text, ok := value.(string); ok && text != "" || !ok && value != nil {
			return value
		}
		return otherwise
	},
}

// allowed are the functions of Go's own that a template may call besides: none that makes
// much of little.
var allowed = map[string]bool{
	"default": true, "and": true, "or": true, "not": true, "eq": true, "ne": true, "lt": true, "le": true, "gt": true, "ge": true, "index": true, "len": true,
}

// Compile reads a template. The error says what is wrong with it, for the one who wrote it.
func Compile(payload []byte, meta bool) (*Template, error) {
	made := &Template{}
	rest := payload
	for {
		start, end, text, err := nextTemplate(rest)
		if err != nil {
			return nil, err
		}
		if start < 0 {
			made.parts = append(made.parts, part{bytes: rest})
			return made, nil
		}
		one, err := compileText(text, meta)
		if err != nil {
			return nil, err
		}
		made.parts = append(made.parts, part{bytes: rest[:start]}, part{text: one})
		rest = rest[end:]
	}
}

// nextTemplate finds the first string of valid JSON with an action in it; start is -1 when
// there is none.
func nextTemplate(raw []byte) (start, end int, text string, err error) {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '"' {
			continue
		}
		start := i
		for i++; i < len(raw) && raw[i] != '"'; i++ {
			if raw[i] == '\\' {
				i++
			}
		}
		if i >= len(raw) {
			return 0, 0, "", errors.New("the payload is not JSON")
		}
		if json.Unmarshal(raw[start:i+1], &text) != nil {
			return 0, 0, "", errors.New("the payload is not JSON")
		}
		if strings.Contains(text, "{{") {
			return start, i + 1, text, nil
		}
	}
	return -1, 0, "", nil
}

func compileText(text string, meta bool) (*template.Template, error) {
	source, err := withQuotes(text)
	if err != nil {
		return nil, err
	}
	made, err := template.New("payload").Option("missingkey=zero").Funcs(functions).Parse(source)
	if err != nil {
		return nil, fmt.Errorf("%q is not a template: %s", shortened(text), strings.TrimPrefix(err.Error(), "template: "))
	}
	if len(made.Templates()) > 1 || made.Tree == nil {
		return nil, fmt.Errorf("%q defines a template, which is not possible here", shortened(text))
	}
	if err := (&inspection{meta: meta}).list(made.Root); err != nil {
		return nil, fmt.Errorf("%q: %w", shortened(text), err)
	}
	return made, nil
}

func shortened(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// withQuotes puts Go's quotes in place of [[ and ]] within actions: quotes that need no
// escaping in JSON.
func withQuotes(text string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{{")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		out.WriteString("{{")
		for {
			quote := strings.Index(rest, "[[")
			end := strings.Index(rest, "}}")
			if quote < 0 || end >= 0 && end < quote {
				break
			}
			literal, after, closed := strings.Cut(rest[quote+2:], "]]")
			if !closed {
				return "", fmt.Errorf("%q opens [[ and does not close it", shortened(text))
			}
			out.WriteString(rest[:quote] + strconv.Quote(literal))
			rest = after
		}
		action, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return "", fmt.Errorf("%q opens {{ and does not close it", shortened(text))
		}
		out.WriteString(action + "}}")
		text = after
	}
}

// inspection looks through a template for what it may not have.
type inspection struct{ meta bool }

func (in *inspection) list(list *parse.ListNode) error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		if err := in.node(node); err != nil {
			return err
		}
	}
	return nil
}

func (in *inspection) node(node parse.Node) error {
	switch node := node.(type) {
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		return in.pipe(node.Pipe)
	case *parse.IfNode:
		return in.branch(&node.BranchNode)
	case *parse.RangeNode, *parse.TemplateNode, *parse.WithNode, *parse.BreakNode, *parse.ContinueNode:
		return fmt.Errorf("%s is not possible here: there are values, if and default", node.String())
	}
	return fmt.Errorf("%s is not possible here", node.String())
}

func (in *inspection) branch(branch *parse.BranchNode) error {
	return errors.Join(in.pipe(branch.Pipe), in.list(branch.List), in.list(branch.ElseList))
}

func (in *inspection) pipe(pipe *parse.PipeNode) error {
	if len(pipe.Decl) > 0 {
		return errors.New("variables are not possible here")
	}
	for _, command := range pipe.Cmds {
		for _, argument := range command.Args {
			if err := in.argument(argument); err != nil {
				return err
			}
		}
	}
	return nil
}

func (in *inspection) argument(node parse.Node) error {
	switch node := node.(type) {
	case *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
		return nil
	case *parse.PipeNode:
		return in.pipe(node)
	case *parse.IdentifierNode:
		if !allowed[node.Ident] {
			return fmt.Errorf("the function %s is not possible here", node.Ident)
		}
		return nil
	case *parse.FieldNode:
		return in.field(node.Ident)
	}
	return fmt.Errorf("%s is not possible here", node.String())
}

// field checks that a value is there.
func (in *inspection) field(names []string) error {
	path := strings.Join(names, ".")
	switch {
	case path == "device.id" || path == "device.user" || names[0] == "l10n" && len(names) <= 2:
		return nil
	case strings.HasPrefix(path+".", "device.meta.") && len(names) <= 3:
		if in.meta {
			return nil
		}
		return errors.New(".device.meta needs use_meta")
	}
	return fmt.Errorf("there is no .%s: there are .device.id, .device.user, .device.meta.NAME and .l10n.NAME", path)
}

// Constant reports whether the payload has no actions: it is the same for all.
func (t *Template) Constant() bool { return len(t.parts) == 1 }

// Render writes the payload with its values.
func (t *Template) Render(values *Values) (json.RawMessage, error) {
	data := map[string]any{
		"device": map[string]any{"id": values.DeviceID, "user": values.User, "meta": values.Meta},
		"l10n":   values.Words,
	}
	var out bytes.Buffer
	for _, one := range t.parts {
		if one.text == nil {
			out.Write(one.bytes)
			continue
		}
		var text strings.Builder
		if err := one.text.Execute(&limited{to: &text, left: MaxRendered - out.Len()}, data); err != nil {
			return nil, fmt.Errorf("write the payload: %w", err)
		}
		if err := writeString(&out, text.String()); err != nil {
			return nil, err
		}
	}
	if out.Len() > MaxRendered {
		return nil, errRendered
	}
	return out.Bytes(), nil
}

// writeString writes a JSON string as it would have been written by hand.
func writeString(out *bytes.Buffer, text string) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		return fmt.Errorf("write the payload: %w", err)
	}
	out.Truncate(out.Len() - 1) // the line feed
	return nil
}

// limited is a writer with an end.
type limited struct {
	to   *strings.Builder
	left int
}

// Write implements io.Writer.
func (l *limited) Write(data []byte) (int, error) {
	if l.left -= len(data); l.left < 0 {
		return 0, errRendered
	}
	return l.to.Write(data)
}
