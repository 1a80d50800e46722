package config

import (
	"encoding"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decoder turns nodes into the structs, and notes where each key was given. It goes on
// after a mistake, so that all are told.
type decoder struct {
	p    *Problems
	doc  *document
	base string // folder that relative paths start from
	env  []string
	left int // nodes that may still be read
}

// What anchors and aliases may multiply a file by, besides a number that anybody may
// have.
const (
	maxGrowth = 20
	freeNodes = 10_000
)

// exhausted counts a node, and reports whether to give up: there are too many, or too
// much is wrong with those that were read.
func (d *decoder) exhausted() bool {
	d.left--
	return d.left < 0 || d.p.more > maxCounted
}

// into is where a node belongs.
type into struct {
	value   reflect.Value
	key     string // networks[0].apns[0].bundle_id
	generic string // networks.apns.bundle_id
	from    origin
}

// child is a key in the group.
func (t into) child(name string, v reflect.Value) into {
	return into{value: v, key: join(t.key, name), generic: join(t.generic, name), from: t.from}
}

// element is an element of the list.
func (t into) element(i int, v reflect.Value) into {
	return into{value: v, key: t.key + "[" + strconv.Itoa(i) + "]", generic: t.generic, from: t.from}
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// decode reads one node. What is empty (key:) counts as not given.
func (d *decoder) decode(n *yaml.Node, target into) {
	if n = d.resolve(n); n == nil || isNull(n) || d.exhausted() {
		return
	}
	target.from = d.where(n, target.from)
	d.p.origins[target.key] = target.from
	kind := target.value.Type()
	switch {
	case kind == secretType || kind == urlType:
		d.hidden(n, target)
	case isGroup(kind):
		d.group(n, target)
	case kind.Kind() == reflect.Slice:
		d.list(n, target)
	case kind.Kind() == reflect.Map:
		d.names(n, target)
	default:
		d.scalar(n, target)
	}
}

// resolve follows an alias.
func (d *decoder) resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// where is the place of a node: the file's line, or what was laid over the file.
func (d *decoder) where(n *yaml.Node, outer origin) origin {
	if place, ok := d.doc.laid[n]; ok {
		return place
	}
	if outer.source != "" {
		return outer
	}
	return origin{file: d.doc.file, line: n.Line}
}

// pair is a key with its value.
type pair struct{ key, value *yaml.Node }

// maxMerges is deeper than anybody nests merges (<<); one that contains itself ends
// here.
const maxMerges = 8

// pairs are the keys of a group: its own, then those that it merges (<<) and has not
// itself.
func (d *decoder) pairs(n *yaml.Node, depth int) (own []pair) {
	seen := map[string]bool{}
	var merged []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		value := n.Content[i+1]
		if key.Tag != "!!merge" {
			own = append(own, pair{key, value})
			seen[key.Value] = true
			continue
		}
		sources := []*yaml.Node{value}
		if node := d.resolve(value); node.Kind == yaml.SequenceNode {
			sources = node.Content
		}
		for _, source := range sources {
			if source = d.resolve(source); source.Kind == yaml.MappingNode && depth < maxMerges {
				merged = append(merged, d.pairs(source, depth+1)...)
			}
		}
	}
	for _, m := range merged {
		if !seen[m.key.Value] {
			own = append(own, m)
			seen[m.key.Value] = true
		}
	}
	return own
}

// each calls f for the keys of a group, and tells those that are no names and those
// that are given twice.
func (d *decoder) each(n *yaml.Node, target into, visit func(name string, key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.p.Add(target.key, "must hold keys with values", "")
		return
	}
	first := map[string]int{}
	for _, one := range d.pairs(n, 0) {
		place := d.where(one.key, target.from)
		name := one.key.Value
		line, twice := first[name]
		switch {
		case one.key.Kind != yaml.ScalarNode:
			d.p.add(place, join(target.key, "?"), "a key must be plain text", "")
		case twice:
			d.p.add(place, join(target.key, name), fmt.Sprintf("is given twice, first in line %d", line), "keep one")
		default:
			first[name] = place.line
			visit(name, one.key, one.value)
		}
	}
}

// group reads a struct.
func (d *decoder) group(n *yaml.Node, target into) {
	known := map[string]reflect.Value{}
	for entry := range fieldsOf(target.value.Type()) {
		known[entry.name] = entry.in(target.value)
	}
	d.each(n, target, func(name string, key, value *yaml.Node) {
		inner := target.child(name, known[name])
		feature, isLater := later[inner.generic]
		switch {
		case isLater:
			if !d.without(value) {
				d.p.add(d.where(key, target.from), inner.key, feature+" not in this build", "remove the key")
			}
		case !inner.value.IsValid():
			d.p.add(d.where(key, target.from), inner.key, "unknown key", shapeAt(target.generic).suggest(name))
		default:
			d.decode(value, inner)
		}
	})
	for one := range fieldsOf(target.value.Type()) {
		inner := target.child(one.name, one.in(target.value))
		if set := settingOf(inner.generic); set.required && inner.value.IsZero() && !d.p.Has(inner.key) {
			d.p.add(target.from, inner.key, "is missing", set.requiredMend())
		}
	}
}

// shapeAt finds a group of keys in the tree of known ones.
func shapeAt(generic string) *shaped {
	found := shape()
	if generic == "" {
		return found
	}
	for part := range strings.SplitSeq(generic, ".") {
		next, ok := found.child(part)
		if !ok {
			return &shaped{}
		}
		found = next
	}
	return found
}

// without reports whether a value does not need the feature that is not in this build:
// it is empty, or switched off.
func (d *decoder) without(n *yaml.Node) bool {
	n = d.resolve(n)
	switch n.Kind {
	case yaml.ScalarNode:
		return isNull(n) || n.Value == "" || n.Value == "0" || n.Value == "false"
	case yaml.MappingNode:
		for _, entry := range d.pairs(n, 0) {
			// A pre-hook without a URL and a surface without an address are switched off.
			if entry.key.Value == "url" || entry.key.Value == "listen" {
				return d.resolve(entry.value).Value == ""
			}
		}
		for _, p := range d.pairs(n, 0) {
			if d.resolve(p.value).Kind != yaml.ScalarNode || !d.without(p.value) {
				return false
			}
		}
		return true
	case yaml.SequenceNode:
		return len(n.Content) == 0
	case yaml.DocumentNode, yaml.AliasNode: // resolve has followed it
	}
	return false
}

// names reads a map.
func (d *decoder) names(n *yaml.Node, target into) {
	out := reflect.MakeMap(target.value.Type())
	d.each(n, target, func(name string, _, value *yaml.Node) {
		one := reflect.New(target.value.Type().Elem()).Elem()
		inner := target.child(name, one)
		inner.generic = join(target.generic, "*")
		d.decode(value, inner)
		out.SetMapIndex(reflect.ValueOf(name), one)
	})
	target.value.Set(out)
}

// list reads a list. A list of plain values may be written in one text, as the
// environment has it: a,b.
func (d *decoder) list(n *yaml.Node, target into) {
	elements := n.Content
	switch {
	case n.Kind == yaml.ScalarNode && !isGroup(target.value.Type().Elem()):
		elements = nil
		for part := range strings.SplitSeq(n.Value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				node := scalar(part)
				node.Line = n.Line
				elements = append(elements, node)
			}
		}
	case n.Kind != yaml.SequenceNode:
		d.p.Add(target.key, "must be a list", "put a hyphen before each element, or write [a, b]")
		return
	}
	if set := settingOf(target.generic); !set.count.allows(int64(len(elements))) {
		d.p.Add(target.key, fmt.Sprintf("must have %s elements, has %d%s", set.count, len(elements), set.count.because()), "")
		return
	}
	out := reflect.MakeSlice(target.value.Type(), len(elements), len(elements))
	for i, entry := range elements {
		inner := target.element(i, out.Index(i))
		if r := d.resolve(entry); r != nil && isNull(r) {
			d.p.add(d.where(entry, target.from), inner.key, "is empty", "remove the element, or fill it in")
			continue
		}
		d.decode(entry, inner)
	}
	target.value.Set(out)
}

// plainTags are YAML's own types; another tag would promise something.
var plainTags = map[string]bool{"": true, "!": true, "!!str": true, "!!int": true, "!!float": true, "!!bool": true, "!!timestamp": true, "!!binary": false}

// text is what a scalar says, as it is written: a team id of 1e5 is no number.
func (d *decoder) text(n *yaml.Node, target into) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.p.Add(target.key, "must be one value, not a list or a group of keys", "")
		return "", false
	case !plainTags[n.Tag]:
		d.p.Add(target.key, "must have no tag "+n.Tag, "remove the tag")
		return "", false
	}
	return n.Value, true
}

var durationType = reflect.TypeFor[time.Duration]()

// scalar reads a plain value and holds it against the bounds of its key.
func (d *decoder) scalar(n *yaml.Node, target into) {
	text, ok := d.text(n, target)
	if !ok {
		return
	}
	target.from.value = text
	d.p.origins[target.key] = target.from
	set := settingOf(target.generic)
	switch value := target.value.Addr().Interface().(type) {
	case *time.Duration:
		got, err := parseDuration(text)
		if err != nil {
			d.p.Add(target.key, err.Error(), mendOf(err))
			return
		}
		*value = got
		d.bound(target, set, int64(got))
	case *Size:
		got, err := parseSize(text)
		if err != nil {
			d.p.Add(target.key, err.Error(), mendOf(err))
			return
		}
		*value = got
		d.bound(target, set, int64(got))
	case *Number:
		got, err := parseNumber(text)
		if err != nil {
			d.p.Add(target.key, err.Error(), mendOf(err))
			return
		}
		*value = got
		d.bound(target, set, int64(got))
	case encoding.TextUnmarshaler:
		if err := value.UnmarshalText([]byte(text)); err != nil {
			d.p.Add(target.key, "must be "+set.kind, set.sampleMend())
		}
	default:
		if target.value.Kind() != reflect.String {
			panic("config: no decoder for " + target.value.Type().String()) // a key was added without one; the tests read every key
		}
		target.value.SetString(text)
		if !set.takes(text) {
			d.p.Add(target.key, "must be "+set.choice(), set.choiceMend)
		}
	}
}

// bound holds a quantity against the bounds of its key.
func (d *decoder) bound(to into, s *setting, n int64) {
	if !s.bounds.allows(n) {
		d.p.Add(to.key, "must be "+s.bounds.String(), s.bounds.why)
	}
}

// hidden reads a secret, or an address that may hold one: the value itself, or where it
// lies.
func (d *decoder) hidden(n *yaml.Node, target into) {
	text, ok := d.text(n, target)
	if !ok {
		return
	}
	secret := hidden{value: text}
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		secret = hidden{ref: text, value: d.variable(name, target.key)}
	} else if path, ok := strings.CutPrefix(text, "file:"); ok {
		path = d.rebase(path)
		secret = hidden{ref: "file:" + path, value: d.secretFile(path, target.key)}
	} else if name, ok := strings.CutPrefix(target.from.source, environment); ok && n.Kind == yaml.ScalarNode && d.isLaid(n) {
		secret.ref = "env:" + name
	}
	switch {
	case strings.Contains(secret.value, redacted):
		d.p.Add(target.key, "holds "+redacted+", which check-config prints in place of a secret", "put the secret there again, or env:NAME or file:PATH")
	case strings.TrimSpace(secret.value) != secret.value:
		d.p.Add(target.key, "begins or ends with white space", "remove it")
	}
	switch set := target.value.Addr().Interface().(type) {
	case *Secret:
		set.hidden = secret
		if one := settingOf(target.generic); secret.value != "" && !one.bounds.allows(int64(len(secret.value))) {
			d.p.Add(target.key, fmt.Sprintf("must have %s", one.bounds), one.bounds.why)
		}
	case *URL:
		set.hidden = secret
	}
}

// isLaid reports whether a variable or a flag gave this very value, not a list or a
// group around it.
func (d *decoder) isLaid(n *yaml.Node) bool {
	_, ok := d.doc.laid[n]
	return ok
}

func (d *decoder) variable(name, key string) string {
	for _, entry := range d.env {
		if n, value, _ := strings.Cut(entry, "="); n == name {
			if value == "" {
				d.p.Add(key, "the environment variable "+name+" is empty", "set it, or remove the key")
			}
			return value
		}
	}
	d.p.Add(key, "the environment variable "+name+" is not set", "set it, or remove the key")
	return ""
}

// maxSecretFile is far above any secret: who names a larger file means another one.
const maxSecretFile = 64 << 10

func (d *decoder) secretFile(path, key string) string {
	data, err := readBounded(path, maxSecretFile)
	if err != nil {
		detail, mend := fileError(err)
		d.p.Add(key, path+": "+detail, mend)
		return ""
	}
	value := strings.TrimRight(string(data), "\r\n")
	if value == "" {
		d.p.Add(key, path+": is empty", "put the secret there, or remove the key")
	}
	return value
}

// rebase makes a path of the configuration absolute: it is relative to the file, and
// what is printed has to be true wherever it is kept.
func (d *decoder) rebase(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	path = filepath.Join(d.base, path)
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// readable tells why a file that the configuration names cannot be used.
func readable(problems *Problems, key, path string) {
	if path == "" || problems.Has(key) {
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		detail, mend := fileError(err)
		problems.Add(key, detail, mend)
	case info.IsDir():
		problems.Add(key, "is a folder", "name a file")
	default:
		file, err := os.Open(path)
		if err != nil {
			detail, mend := fileError(err)
			problems.Add(key, detail, mend)
			return
		}
		_ = file.Close() // nothing was written
	}
}
