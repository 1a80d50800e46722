package config

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

const referenceHead = `# Configuration

A YAML file (` + "`--config FILE`" + `), then the environment, then flags; later wins. Without any of them chatbell runs on embedded stores in ` + "`./data`" + `.

- ` + "`chatbell check-config --config FILE`" + ` tells all that is wrong with a configuration, each with its line and the mend, or prints what it comes to
  (` + "`--output json`" + ` for programs). Unknown keys are refused, with the nearest known name.
- ` + "`chatbell check-config --example`" + ` prints [chatbell.example.yaml](chatbell.example.yaml), which has every key with its default.
- In the environment a key is ` + "`CHATBELL_`" + ` and its name in capitals, levels joined by ` + "`__`" + `. Lists are written ` + "`a,b`" + ` or as YAML (` + "`[1s, 5s]`" + `); the elements of
  lists of groups (networks and what is below them) are given in the file. Empty variables count as not set.
- A duration has a unit: ` + "`500ms`, `30s`, `5m`, `24h`, `7d`" + `. So has a size: ` + "`512MiB`, `25GiB`" + `.
- A secret, and an address that may hold one, may be given as ` + "`env:NAME`" + ` (an environment variable) or ` + "`file:PATH`" + ` (a file's content without the last line break).
- Relative paths start at the configuration file, except those of ` + "`data`" + ` and ` + "`clickhouse_engine`" + `, which start at the working folder.
`

const referenceTail = `
## Not in this build

These keys are known, and refused unless their value does not need the feature (empty, ` + "`0`" + `, without an address):

`

// Reference is a page of Markdown that describes every key.
func Reference() string { return reference() }

var reference = sync.OnceValue(func() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	b.WriteString("\n<!-- Made from internal/config/settings.go; go test ./internal/config -update writes it anew. -->\n")
	var groups []group
	collect(reflect.ValueOf(defaults()).Elem(), "", true, &groups)
	for _, g := range groups {
		g.write(&b)
	}
	b.WriteString(referenceTail)
	for _, key := range slices.Sorted(maps.Keys(later)) {
		fmt.Fprintf(&b, "- `%s`: %s not in this build.\n", key, later[key])
	}
	return b.String()
})

// group is a table of the reference.
type group struct {
	key   string
	list  bool
	value reflect.Value
	env   bool // its keys can be given in the environment
}

// collect finds the groups, outermost first.
func collect(value reflect.Value, key string, env bool, out *[]group) {
	*out = append(*out, group{key: key, value: value, env: env})
	for entry := range fieldsOf(value.Type()) {
		inner := join(key, entry.name)
		switch {
		case isGroup(entry.typ):
			collect(entry.in(value), inner, env, out)
		case entry.typ.Kind() == reflect.Slice && isGroup(entry.typ.Elem()):
			i := len(*out)
			collect(reflect.New(entry.typ.Elem()).Elem(), inner, false, out)
			(*out)[i].list = true
		}
	}
}

func (g group) write(b *strings.Builder) {
	switch {
	case g.key == "":
		b.WriteString("\n## Top level\n")
	case g.list:
		fmt.Fprintf(b, "\n## `%s` (list)\n\n%s\n", g.key, settingOf(g.key).doc)
	default:
		fmt.Fprintf(b, "\n## `%s`\n\n%s\n", g.key, settingOf(g.key).doc)
	}
	b.WriteString("\n| key | type | default | bounds | meaning |\n|---|---|---|---|---|\n")
	for entry := range fieldsOf(g.value.Type()) {
		key := join(g.key, entry.name)
		set := settingOf(key)
		if isGroup(entry.typ) || entry.typ.Kind() == reflect.Slice && isGroup(entry.typ.Elem()) {
			fmt.Fprintf(b, "| `%s` | %s | | %s | see [below](#%s) |\n", entry.name, set.typeWord(entry.typ), set.limits(), anchor(key, entry.typ))
			continue
		}
		name := "`" + entry.name + "`"
		if g.env {
			name += "<br>`" + variable(key) + "`"
		}
		meaning := set.doc
		if set.required {
			meaning += " Required."
		}
		def := set.defaultText(entry.in(g.value))
		if def != "" {
			def = "`" + def + "`"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", name, cell(set.typeWord(entry.typ)), cell(def), cell(set.limits()), cell(meaning))
	}
}

// variable is a key's name in the environment.
func variable(key string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "__"))
}

// anchor is what GitHub makes of a heading.
func anchor(key string, t reflect.Type) string {
	name := strings.ReplaceAll(key, ".", "")
	if t.Kind() == reflect.Slice {
		name += "-list"
	}
	return name
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// defaultText is the default as the file would have it; empty where there is none.
func (s *setting) defaultText(v reflect.Value) string {
	text := s.def
	if text == "" {
		text = flow(v)
	}
	switch text {
	case `""`, "[]", "{}":
		return ""
	}
	return text
}

// limits are the bounds with their reason; empty where there are none.
func (s *setting) limits() string {
	var out []string
	if (s.bounds != bounds{}) {
		out = append(out, s.bounds.String()+s.bounds.because())
	}
	if (s.count != bounds{}) {
		out = append(out, s.count.String()+" elements"+s.count.because())
	}
	return strings.Join(out, ", ")
}

// facts is what the example says besides the meaning.
func (s *setting) facts(t reflect.Type, value reflect.Value) string {
	out := "Value: " + s.typeWord(t)
	if limits := s.limits(); limits != "" {
		out += ", " + limits
	}
	out += "."
	if s.required {
		return out + " Required."
	}
	if def := s.defaultText(value); def != "" {
		return out + " Default: " + def + "."
	}
	return out
}

// typeWord names the form of a value.
func (s *setting) typeWord(t reflect.Type) string {
	switch {
	case s.kind != "":
		return s.kind
	case len(s.oneOf) > 0 && t.Kind() == reflect.Slice:
		return "list of `" + strings.Join(s.oneOf, "`, `") + "`"
	case len(s.oneOf) > 0:
		return "`" + strings.Join(s.oneOf, "`, `") + "`"
	}
	switch t {
	case durationType:
		return "duration"
	case reflect.TypeFor[[]time.Duration]():
		return "list of durations"
	case reflect.TypeFor[Number]():
		return "number"
	case reflect.TypeFor[Size]():
		return "size"
	case secretType:
		return "secret"
	case urlType:
		return "address"
	case reflect.TypeFor[[]netip.Prefix]():
		return "list of networks"
	case reflect.TypeFor[[]string]():
		return "list of texts"
	}
	switch {
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Map, isGroup(t):
		return "group"
	}
	return "text"
}
