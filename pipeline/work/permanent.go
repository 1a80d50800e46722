package work

import "errors"

// permanentError marks a message that no repetition can help.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent says that no redelivery of the message can help: it goes to the dead letters.
func Permanent(err error) error { return &permanentError{err} }

// IsPermanent reports whether err, or one that it wraps, is permanent.
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}
