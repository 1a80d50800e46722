package native

import (
	"encoding/json"
	"errors"
	"strings"

	"chatbell"
)

// jsonError says where JSON is wrong, in our words.
func jsonError(err error) chatbell.FieldError {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		return field("/"+strings.ReplaceAll(kind.Field, ".", "/"), "must be %s, not a JSON %s", wanted(kind.Type.String()), kind.Value)
	case errors.As(err, &syntax):
		return field("", "is not valid JSON at byte %d: %v", syntax.Offset, syntax)
	case strings.HasPrefix(err.Error(), "parsing time"), strings.HasPrefix(err.Error(), "Time.UnmarshalJSON"):
		return field("/time", "must be an RFC 3339 time, for example 2026-11-20T10:00:00Z")
	}
	return field("", "is not valid JSON")
}

// wanted names a Go type for somebody who does not write Go.
func wanted(t string) string {
	switch {
	case strings.HasPrefix(t, "[]"):
		return "an array"
	case strings.Contains(t, "string"), strings.HasSuffix(t, "ID"), strings.HasSuffix(t, "Type"), strings.HasSuffix(t, "Mode"):
		return "a string"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "*int"):
		return "a whole number"
	case strings.HasSuffix(t, "bool"):
		return "true or false"
	}
	return "an object"
}
