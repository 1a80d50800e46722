package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// shaped is a place in the tree of known keys. It is read from the structs, so that the
// two cannot differ.
type shaped struct {
	fields map[string]*shaped
	any    *shaped // of a map: what lies below any name
	list   bool    // its elements are groups
	// structured says that the value is a list of groups, or a group: in the
	// environment it is written as YAML.
	structured bool
}

// shape is the tree of known keys.
var shape = sync.OnceValue(func() *shaped {
	root := shapeOf(reflect.TypeFor[Config]())
	for key := range later {
		at := root
		parts := strings.Split(key, ".")
		for _, part := range parts[:len(parts)-1] {
			at = at.fields[part]
		}
		at.fields[parts[len(parts)-1]] = &shaped{}
	}
	return root
})

func shapeOf(t reflect.Type) *shaped {
	switch {
	case t.Kind() == reflect.Slice && isGroup(t.Elem()):
		made := shapeOf(t.Elem())
		made.list = true
		return made
	case t.Kind() == reflect.Map:
		return &shaped{any: shapeOf(t.Elem()), structured: true}
	case !isGroup(t):
		return &shaped{}
	}
	s := &shaped{fields: map[string]*shaped{}, structured: true}
	for entry := range fieldsOf(t) {
		s.fields[entry.name] = shapeOf(entry.typ)
	}
	return s
}

// isGroup reports whether a type is a group of keys.
func isGroup(t reflect.Type) bool {
	ours := t.PkgPath() == configPath && t != secretType && t != urlType
	return t.Kind() == reflect.Struct && (ours || isCredential(t))
}

var (
	configPath = reflect.TypeFor[Config]().PkgPath()
	secretType = reflect.TypeFor[Secret]()
	urlType    = reflect.TypeFor[URL]()
)

// field is a key of a group.
type field struct {
	name string
	typ  reflect.Type
	// in finds the key's value in one of the group's. It can be set if that can.
	in func(group reflect.Value) reflect.Value
}

// fieldsOf are the keys of a group, in the order of its struct.
func fieldsOf(t reflect.Type) func(yield func(field) bool) {
	return func(yield func(field) bool) {
		for i := range t.NumField() {
			one := t.Field(i)
			if one.Type == credentialsType {
				if !pushFields(i, yield) {
					return
				}
				continue
			}
			in := func(group reflect.Value) reflect.Value { return group.Field(i) }
			if name := one.Tag.Get("yaml"); name != "" && name != "-" && !yield(field{name, one.Type, in}) {
				return
			}
		}
	}
}

func (s *shaped) child(name string) (*shaped, bool) {
	if c, ok := s.fields[name]; ok {
		return c, true
	}
	return s.any, s.any != nil
}

// suggest names the nearest known key, if one is near.
func (s *shaped) suggest(name string) string {
	best := ""
	least := len(name)/2 + 2
	for _, known := range slices.Sorted(maps.Keys(s.fields)) {
		if diff := distance(name, known); diff < least {
			best = known
			least = diff
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance is the number of letters to add, drop or change (Levenshtein). Keys are
// short; a longer input is not near anything.
func distance(one, b string) int {
	if len(one) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(one) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if one[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
