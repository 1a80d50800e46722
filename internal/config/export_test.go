package config

// Description is what the table says of a key.
type Description struct{ Doc, Default, Bounds, Why, Count string }

// Described is the table.
func Described() map[string]Description {
	out := map[string]Description{}
	for key, s := range settings {
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
