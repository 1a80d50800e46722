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
	Pointer string `json:"pointer"`
	// Detail says what would be right.
	Detail string `json:"detail"`
}

// Error joins both.
func (e FieldError) Error() string { return fmt.Sprintf("%s: %s", e.Pointer, e.Detail) }
