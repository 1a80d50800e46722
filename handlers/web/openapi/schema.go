package openapi

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/swaggest/jsonschema-go"
)

const schemas = "#/components/schemas/"

// Type says what holds for every value of a Go type.
type Type struct {
	Go reflect.Type
	// Name is what the type is called in the document; empty means as in Go.
	Name        string
	Description string
	// Enum is a closed list of values.
	Enum []any
	// MinLength and MaxLength bound a text, in characters; 0 means that there is no bound.
	MinLength, MaxLength int64
	Pattern              string
	// Closed objects have no other members than those that are named.
	Closed bool
}

// named reports whether the type is described under a name of its own. Plain texts and
// numbers are described where they stand.
func (t *Type) named() bool { return t.Go.Kind() == reflect.Struct || len(t.Enum) > 0 }

// Schema describes a value, within a document.
type Schema func(*Document) (map[string]any, error)

// Of is the schema of what encoding/json makes of a T.
func Of[T any]() Schema {
	return func(d *Document) (map[string]any, error) { return d.reflect(reflect.TypeFor[T]()) }
}

// OneOrMany is the schema of a T or a list of 1 to limit of them.
func OneOrMany[T any](limit int) Schema {
	return func(d *Document) (map[string]any, error) {
		one, err := d.reflect(reflect.TypeFor[T]())
		if err != nil {
			return nil, err
		}
		many := map[string]any{"type": "array", "items": one, "minItems": 1, "maxItems": limit}
		return map[string]any{"oneOf": []any{one, many}}, nil
	}
}

// Lines is the schema of NDJSON. OpenAPI 3.1 has no words for the objects of its lines,
// and a validator that is given their schema tests the whole body against it; so it
// is a text, whose description says what each line is.
func Lines(description string) Schema {
	return func(*Document) (map[string]any, error) {
		return map[string]any{"type": "string", "description": description}, nil
	}
}

// Text is the schema of a body that is not JSON.
func Text() Schema {
	return func(*Document) (map[string]any, error) { return map[string]any{"type": "string"}, nil }
}

// Any is the schema of any JSON object.
func Any() Schema {
	return func(*Document) (map[string]any, error) { return map[string]any{"type": "object"}, nil }
}

func (d *Document) setUpReflection() {
	reflector := &d.reflector.Reflector
	reflector.DefaultOptions = append(reflector.DefaultOptions,
		jsonschema.InterceptSchema(d.refine), jsonschema.InterceptProp(refineItems), jsonschema.InterceptDefName(d.name))
	for _, kind := range d.types {
		if !kind.named() {
			reflector.InlineDefinition(reflect.Zero(kind.Go).Interface())
		}
	}
}

// reflect describes a type, and what it is made of among the document's components.
func (d *Document) reflect(t reflect.Type) (map[string]any, error) {
	schema, err := d.reflector.Reflect(reflect.New(t).Elem().Interface(), jsonschema.RootRef,
		jsonschema.DefinitionsPrefix(schemas), jsonschema.CollectDefinitions(d.collect))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	return schema.ToSchemaOrBool().ToSimpleMap()
}

func (d *Document) collect(name string, schema jsonschema.Schema) {
	simple, err := schema.ToSchemaOrBool().ToSimpleMap()
	if err != nil {
		panic("openapi: encode a schema that was just made: " + err.Error()) // the library's own value
	}
	d.reflector.SpecEns().ComponentsEns().WithSchemasItem(name, simple)
}

// properties describes the fields of a struct that have the tag.
func (d *Document) properties(v any, tag string) (map[string]map[string]any, error) {
	schema, err := d.reflector.Reflect(v, jsonschema.PropertyNameTag(tag), jsonschema.InlineRefs)
	if err != nil {
		return nil, err
	}
	out := make(map[string]map[string]any, len(schema.Properties))
	for name, p := range schema.Properties {
		if out[name], err = p.ToSimpleMap(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d *Document) name(t reflect.Type, _ string) string {
	name := t.Name()
	if known := d.types[t].Name; known != "" {
		name = known
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// refine adds what a [Type] says.
func (d *Document) refine(params jsonschema.InterceptSchemaParams) (stop bool, err error) {
	goType := params.Value.Type()
	for goType.Kind() == reflect.Pointer {
		goType = goType.Elem()
	}
	kind, known := d.types[goType]
	if !params.Processed || !known {
		return false, nil
	}
	if kind.Description != "" {
		params.Schema.WithDescription(kind.Description)
	}
	if len(kind.Enum) > 0 {
		params.Schema.WithEnum(kind.Enum...)
	}
	params.Schema.MinLength = kind.MinLength
	if kind.MaxLength > 0 {
		params.Schema.WithMaxLength(kind.MaxLength)
	}
	if kind.Pattern != "" {
		params.Schema.WithPattern(kind.Pattern)
	}
	if kind.Closed {
		no := false
		params.Schema.WithAdditionalProperties(jsonschema.SchemaOrBool{TypeBoolean: &no})
	}
	return false, nil
}

// refineItems reads the tags that are about the items of a list.
func refineItems(params jsonschema.InterceptPropParams) error {
	if !params.Processed {
		return nil
	}
	least := params.Field.Tag.Get("itemMinLength")
	most := params.Field.Tag.Get("itemMaxLength")
	if least == "" && most == "" {
		return nil
	}
	items := params.PropertySchema.Items
	if items == nil || items.SchemaOrBool == nil || items.SchemaOrBool.TypeObject == nil {
		return fmt.Errorf("%s is no list of texts", params.Name)
	}
	item := items.SchemaOrBool.TypeObject
	if n, err := strconv.ParseInt(least, 10, 64); err == nil {
		item.MinLength = n
	} else if least != "" {
		return fmt.Errorf("%s: itemMinLength: %w", params.Name, err)
	}
	if n, err := strconv.ParseInt(most, 10, 64); err == nil {
		item.WithMaxLength(n)
	} else if most != "" {
		return fmt.Errorf("%s: itemMaxLength: %w", params.Name, err)
	}
	return nil
}
