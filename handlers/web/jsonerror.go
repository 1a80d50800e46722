package web

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"time"

	"chatbell"
)

// JSONError says where JSON is wrong, in our words. The body is what was decoded into v.
func JSONError(err error, body []byte, value any) chatbell.FieldError {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		// The error's own path leaves out indexes and has the names of embedded structs.
		return Field(pointerAt(body, kind.Offset), "must be %s, not a JSON %s", wanted(kind.Type.Kind()), kind.Value)
	case errors.As(err, &syntax):
		return Field("", "is not valid JSON at byte %d: %v", syntax.Offset, syntax)
	}
	if place := badTime(body, value); place != "" {
		return Field(place, "must be an RFC 3339 time, for example 2026-11-20T10:00:00Z")
	}
	return Field("", "is not valid JSON")
}

// badTime finds the member that is to be a time and is none; the decoder does not
// say which one that was.
func badTime(body []byte, v any) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || reflect.TypeOf(v).Elem().Kind() != reflect.Struct {
		return ""
	}
	for _, field := range reflect.VisibleFields(reflect.TypeOf(v).Elem()) {
		if field.Type != reflect.TypeFor[time.Time]() {
			continue
		}
		want, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		for name, raw := range members {
			var when time.Time
			if strings.EqualFold(name, want) && json.Unmarshal(raw, &when) != nil {
				return Escaped(name)
			}
		}
	}
	return ""
}

// wanted names a kind of Go value for somebody who does not write Go.
func wanted(k reflect.Kind) string {
	switch k {
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	default:
		return "an object"
	}
}
