package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// Document is an object that callers put as a whole or patch.
type Document[T any] struct {
	// Member is what a member of it is called: "a setting".
	Member string
	Read   func(context.Context) (T, error)
	Check  func(*T, *Checker)
	Write  func(context.Context, T) error
}

// Change answers a PUT (the whole) or a PATCH (RFC 7396, onto what is there) of a document:
// read, merge, check, write. A member that means nothing is refused: one that was mistyped
// would not only do nothing, it would erase what was there before.
func (d Document[T]) Change(c echo.Context) error {
	body, err := ReadBody(c)
	if err != nil {
		return err
	}
	var next T
	if c.Request().Method == http.MethodPatch {
		var patch map[string]any
		if err := DecodeObject(body, &patch); err != nil {
			return err
		}
		now, err := d.Read(c.Request().Context())
		if err != nil {
			return err
		}
		if body, err = merge(now, patch); err != nil {
			return err
		}
	}
	if err := DecodeObject(body, &next); err != nil {
		return err
	}
	check := &Checker{}
	checkKnown(body, new(T), d.Member, check)
	d.Check(&next, check)
	if err := check.Result(); err != nil {
		return err
	}
	if err := d.Write(c.Request().Context(), next); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, next)
}

// Get answers with the document.
func (d Document[T]) Get(c echo.Context) error {
	now, err := d.Read(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, now)
}

// checkKnown refuses members that mean nothing.
func checkKnown(body []byte, v any, member string, check *Checker) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(v)
	if err == nil {
		return
	}
	name, unknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	if !unknown {
		return // DecodeObject has looked at everything else
	}
	place := ""
	walk(body, func(int, []level) bool { return true }, func(around []level) bool {
		if string(around[len(around)-1].name) == name {
			place = pointer(around)
		}
		return place == ""
	})
	check.Add(place, "is not %s", member)
}

// merge lays a merge patch over a value: null removes, an object goes deeper,
// anything else replaces.
func merge(now any, patch map[string]any) ([]byte, error) {
	data, err := json.Marshal(now)
	if err != nil {
		return nil, fmt.Errorf("encode what is there: %w", err)
	}
	var target map[string]any
	if err := json.Unmarshal(data, &target); err != nil {
		return nil, fmt.Errorf("decode what is there: %w", err)
	}
	mergeInto(target, patch)
	return json.Marshal(target)
}

func mergeInto(target, patch map[string]any) {
	for name, change := range patch {
		switch value := change.(type) {
		case nil:
			delete(target, name)
		case map[string]any:
			inner, ok := target[name].(map[string]any)
			if !ok {
				inner = map[string]any{}
			}
			mergeInto(inner, value)
			target[name] = inner
		default:
			target[name] = value
		}
	}
}
