package config

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

const exampleHead = `## The configuration of chatbell, with every key: what it means, what it may be, and its default.
## Nothing is set here, so this file says the same as none. To set a key remove the # in front of
## it, and of the lines that it lies in. "chatbell check-config --config FILE" says what is wrong,
## and "chatbell serve --config FILE" uses it.
##
## Each key can also be given in the environment: CHATBELL_ and the key in capitals, levels joined
## by __ (CHATBELL_RETRY__PUSH__MAX=1m). It wins over the file; flags win over both. The elements of
## lists are given in the file. A secret may be given as env:NAME or file:PATH.
`

// Example is an annotated configuration with every key. All of it is commented out:
// without the first # of each line it is a configuration as well, if the variables and
// files exist that it names.
func Example() string { return example() }

var example = sync.OnceValue(func() string {
	var b strings.Builder
	b.WriteString(exampleHead)
	writeGroup(&b, reflect.ValueOf(defaults()).Elem(), "", "")
	return b.String()
})

// writeGroup writes the keys of a group, indented.
func writeGroup(b *strings.Builder, group reflect.Value, generic, indent string) {
	for entry := range fieldsOf(group.Type()) {
		key := join(generic, entry.name)
		set := settingOf(key)
		value := entry.in(group)
		if indent == "" {
			b.WriteString("\n")
		}
		writeComment(b, set.doc, indent)
		switch {
		case isGroup(entry.typ):
			fmt.Fprintf(b, "#%s%s:\n", indent, entry.name)
			writeGroup(b, value, key, indent+"  ")
		case entry.typ.Kind() == reflect.Slice && isGroup(entry.typ.Elem()):
			writeComment(b, set.facts(entry.typ, value), indent)
			fmt.Fprintf(b, "#%s%s:\n", indent, entry.name)
			writeElement(b, entry.typ.Elem(), key, indent+"  ")
		default:
			writeComment(b, set.facts(entry.typ, value), indent)
			fmt.Fprintf(b, "#%s%s: %s\n", indent, entry.name, set.shown(value))
		}
	}
}

// writeElement writes one element of a list of groups: its hyphen stands before the
// first key.
func writeElement(b *strings.Builder, t reflect.Type, generic, indent string) {
	var inner strings.Builder
	writeGroup(&inner, reflect.New(t).Elem(), generic, indent+"  ")
	first := "#" + indent + "  "
	done := false
	for line := range strings.Lines(inner.String()) {
		if key := strings.TrimPrefix(line, first); !done && key != line && !strings.HasPrefix(key, "#") {
			line = "#" + indent + "- " + key
			done = true
		}
		b.WriteString(line)
	}
}

// shown is the value in the example: the sample where there is one, else the default.
func (s *setting) shown(value reflect.Value) string {
	switch {
	case s.sample != "":
		return s.sample
	case s.def != "":
		return s.def
	}
	return flow(value)
}

// flow is a value as YAML in one line.
func flow(value reflect.Value) string {
	node, err := nodeOf(value)
	if err != nil {
		return ""
	}
	node.Style |= yaml.FlowStyle
	out, err := yaml.Marshal(node)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// commentWidth is where comments are broken.
const commentWidth = 100

func writeComment(b *strings.Builder, text, indent string) {
	start := "#" + indent + "# "
	if indent == "" {
		start = "## "
	}
	line := start
	for word := range strings.FieldsSeq(text) {
		if len(line) > len(start) && len(line)+1+len(word) > commentWidth {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = start
		}
		if len(line) > len(start) {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}
