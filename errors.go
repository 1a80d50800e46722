package chatbell

import (
	"errors"
	"fmt"
)

// ErrNotFound says that the named thing does not exist in that network.
var ErrNotFound = errors.New("not found")

// FieldError says which field of an input is wrong and what would be right.
type FieldError struct {
	// Pointer is a JSON pointer (RFC 6901) to the field, relative to the object.
	Pointer string `json:"pointer" required:"true" description:"A JSON pointer (RFC 6901) to what is wrong, relative to the body or, for an event, to that event; for a parameter its name after a slash. Empty is the whole."`
	// Detail says what would be right.
	Detail string `json:"detail" required:"true" description:"What would be right."`
}

// Error joins both.
func (e FieldError) Error() string { return fmt.Sprintf("%s: %s", e.Pointer, e.Detail) }
