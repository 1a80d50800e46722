// Package openapi describes an HTTP API as an OpenAPI 3.1 document that is made from
// the Go types which the handlers read and write, so that the two cannot differ.
//
// A surface makes a [Document] once, when it starts, adds an [Operation] for each of
// its routes and serves what [Document.JSON] returns. Names, limits and words of a
// field stand in its struct tags, beside the json tag:
//
//	description  what the field means
//	required     true, if it must be there, or always is
//	enum, pattern, format, minLength, maxLength, minItems, maxItems,
//	minimum, maximum, maxProperties, default, nullable, readOnly
//	             as in JSON Schema
//	itemMinLength, itemMaxLength
//	             the same for the texts of a list
//
// What holds for every value of a Go type, for example the length of an identifier or
// the values of a closed list, is said once, with a [Type].
//
// The document is deterministic: equal operations give equal bytes.
package openapi
