package openapi

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
)

var errNoObject = errors.New("a merge patch is for objects")

// MergePatch is the schema of a merge patch (RFC 7396) for a T: nothing is required,
// null takes a member away, objects are merged, and a list is replaced as a whole.
func MergePatch[T any]() Schema {
	return func(doc *Document) (map[string]any, error) {
		whole, err := doc.reflect(reflect.TypeFor[T]())
		if err != nil {
			return nil, err
		}
		name, ok := doc.object(whole)
		if !ok {
			return nil, errNoObject
		}
		return doc.patch(name), nil
	}
}

// object is the name of the object that a schema refers to.
func (d *Document) object(schema map[string]any) (string, bool) {
	ref, _ := schema["$ref"].(string)
	name := strings.TrimPrefix(ref, schemas)
	return name, ref != "" && d.component(name)["type"] == "object"
}

func (d *Document) component(name string) map[string]any {
	return d.reflector.SpecEns().ComponentsEns().Schemas[name]
}

// patch describes the patch of a component and returns a reference to it.
func (d *Document) patch(name string) map[string]any {
	whole := d.component(name)
	properties, _ := whole["properties"].(map[string]any)
	changes := make(map[string]any, len(properties))
	for member, schema := range properties {
		if schema, ok := schema.(map[string]any); ok {
			changes[member] = d.change(schema)
		}
	}
	made := maps.Clone(whole)
	delete(made, "required")
	made["properties"] = changes
	made["description"] = fmt.Sprintf("A merge patch (RFC 7396) for %s: what is left out stays, null takes away, a list is replaced as a whole.", name)
	d.reflector.SpecEns().ComponentsEns().WithSchemasItem(name+"Patch", made)
	return map[string]any{"$ref": schemas + name + "Patch"}
}

// change describes a member in a patch: as in the whole, or null.
func (d *Document) change(schema map[string]any) map[string]any {
	if kind, ok := schema["type"].(string); ok && schema["enum"] == nil {
		out := maps.Clone(schema)
		out["type"] = []any{kind, "null"}
		return out
	}
	if schema["$ref"] == nil {
		return schema // any value, or null already
	}
	value := map[string]any{"$ref": schema["$ref"]}
	if name, ok := d.object(schema); ok {
		value = d.patch(name)
	}
	out := maps.Clone(schema)
	delete(out, "$ref")
	out["anyOf"] = []any{value, map[string]any{"type": "null"}}
	return out
}
