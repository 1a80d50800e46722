package config

import (
	"fmt"
	"reflect"
	"sort"
	"strings"
)

// later are the keys of the contract whose features are not in this build. Some are
// refused only with a value that would need the feature.
var later = map[string]string{
	"centrifugo": "the Centrifugo surface", "xmtp": "the XMTP surface", "history": "the XMTP history surface",
	"secrets_key":      "encryption of stored secrets (this build stores none)",
	"networks.webpush": "Web Push", "networks.prehook": "pre-hooks", "networks.rules": "a network's own rules",
}

// shape is the tree of known keys; a nil child is a leaf, "*" stands for any name,
// and elements of lists share their list's key.
type shape map[string]shape

// known reads the keys from the structs, so that they cannot differ.
func known() shape {
	s := shapeOf(reflect.TypeFor[Config]())
	for path := range later {
		at := s
		parts := strings.Split(path, ".")
		for _, p := range parts[:len(parts)-1] {
			at = at[p]
		}
		at[parts[len(parts)-1]] = shape{"*": nil}
	}
	return s
}

func shapeOf(t reflect.Type) shape {
	switch {
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && t.Elem().PkgPath() == configPath:
		return shapeOf(t.Elem())
	case t.Kind() == reflect.Map:
		return shape{"*": shapeOf(t.Elem())}
	case t.Kind() != reflect.Struct || t.PkgPath() != configPath:
		return nil
	}
	s := shape{}
	for i := range t.NumField() {
		f := t.Field(i)
		s[f.Tag.Get("koanf")] = shapeOf(f.Type)
	}
	return s
}

var configPath = reflect.TypeFor[Config]().PkgPath()

// problems collects everything that is wrong.
type problems []string

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, path+": "+fmt.Sprintf(format, args...))
}

// Error lists the problems, a line each.
func (p problems) Error() string {
	if len(p) == 1 {
		return "configuration: " + p[0]
	}
	return fmt.Sprintf("configuration: %d problems\n  %s", len(p), strings.Join(p, "\n  "))
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// checkKeys walks what was given and reports names that nobody knows, and features
// that this build does not have.
func checkKeys(p *problems, given any, s shape, path, generic string) {
	switch v := given.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			at, g := join(path, k), join(generic, k)
			if feature, ok := later[g]; ok {
				if !isEmpty(v[k]) {
					p.add(at, "%s is not in this build; remove the key", feature)
				}
				continue
			}
			child, ok := s[k]
			if !ok {
				if child, ok = s["*"]; !ok {
					p.add(at, "unknown key%s", suggest(k, s))
					continue
				}
			}
			if child != nil {
				checkKeys(p, v[k], child, at, g)
			}
		}
	case []any:
		for i, e := range v {
			checkKeys(p, e, s, fmt.Sprintf("%s[%d]", path, i), generic)
		}
	}
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		for k, e := range v {
			if k == "url" || k == "listen" { // a pre-hook without a URL, a surface without an address: switched off
				return isEmpty(e)
			}
		}
		return len(v) == 0
	}
	return false
}

func join(path, k string) string {
	if path == "" {
		return k
	}
	return path + "." + k
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// suggest names the nearest known key, if one is near.
func suggest(k string, s shape) string {
	best, at := "", len(k)/2+2
	for name := range s {
		if d := distance(k, name); d < at || d == at && name < best {
			best, at = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is the number of letters to add, drop or change (Levenshtein). Keys are
// short; a longer input is not near anything.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := prev
			if a[i] != b[j] {
				cost++
			}
			prev = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
