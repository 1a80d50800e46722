package config

import (
	"maps"
	"reflect"
)

// Description is what the table says of a key.
type Description struct{ Doc, Default, Bounds, Why, Count string }

// Described is the table.
func Described() map[string]Description {
	out := map[string]Description{}
	all := maps.Clone(settings)
	maps.Copy(all, pushSettings())
	for key, s := range all {
		d := Description{Doc: s.doc, Default: s.def, Why: s.bounds.why}
		if (s.bounds != bounds{}) {
			d.Bounds = s.bounds.String()
		}
		if (s.count != bounds{}) {
			d.Count = s.count.String()
		}
		out[key] = d
	}
	return out
}

// Keys are all keys with their types; * stands for any name.
func Keys() map[string]reflect.Type {
	out := map[string]reflect.Type{}
	addKeys(out, reflect.TypeFor[Config](), "")
	return out
}

func addKeys(out map[string]reflect.Type, t reflect.Type, key string) {
	switch {
	case t.Kind() == reflect.Slice && isGroup(t.Elem()):
		addKeys(out, t.Elem(), key)
	case t.Kind() == reflect.Map:
		addKeys(out, t.Elem(), key+".*")
	case isGroup(t):
		for f := range fieldsOf(t) {
			addKeys(out, f.typ, join(key, f.name))
		}
	default:
		out[key] = t
	}
}
