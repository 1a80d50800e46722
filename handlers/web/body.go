package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

// MaxBody bounds a request's body, in bytes.
const MaxBody = 4 << 20

var errTooLarge = NewProblem(http.StatusRequestEntityTooLarge, "the body may have at most %d bytes", MaxBody)

// ReadBody reads a body up to the limit.
func ReadBody(c echo.Context) ([]byte, error) {
	if err := Uncompressed(c); err != nil {
		return nil, err
	}
	r := c.Request()
	if r.ContentLength > MaxBody { // nobody has to wait for the end of it
		c.Response().Header().Set("Connection", "close")
		return nil, errTooLarge
	}
	own, err := reserve(c)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errTooLarge
	case err != nil:
		return nil, NewProblem(http.StatusBadRequest, "the body could not be read to its end")
	}
	own.resize(int64(len(body)))
	return body, nil
}

// Uncompressed refuses a compressed body by its name, before it is taken for broken JSON.
func Uncompressed(c echo.Context) error {
	for _, coding := range c.Request().Header["Content-Encoding"] {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return NewProblem(http.StatusUnsupportedMediaType, "a compressed body is not understood; send it without Content-Encoding")
		}
	}
	return nil
}

// ReadJSON reads a body of one JSON object into v. Unknown fields are ignored.
func ReadJSON(c echo.Context, v any) error {
	body, err := ReadBody(c)
	if err != nil {
		return err
	}
	return DecodeObject(body, v)
}

// DecodeObject reads one JSON object into v. The error points to what is wrong.
func DecodeObject(body []byte, value any) error {
	if !utf8.Valid(body) {
		return Invalid(Field("", "must be valid UTF-8"))
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil || object == nil {
		return Invalid(Field("", "must be a JSON object"))
	}
	if err := json.Unmarshal(body, value); err != nil {
		return Invalid(JSONError(err, body, value))
	}
	if errs := CheckOutline(body); len(errs) > 0 {
		return Invalid(errs...)
	}
	return nil
}
