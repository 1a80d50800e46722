package web

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"chatbell"
)

// PathID reads an identifier from the path. The router matches the path as it was
// sent only where decoding loses something; otherwise it is decoded already.
func PathID(c echo.Context, name string) (id string, err error) {
	if id = c.Param(name); c.Request().URL.RawPath != "" {
		id, err = url.PathUnescape(id)
	}
	if err != nil || !utf8.ValidString(id) {
		return "", Invalid(Field("/"+name, "must be UTF-8, percent-encoded where needed"))
	}
	if detail := CheckID(id); detail != "" {
		return "", Invalid(Field("/"+name, "%s", detail))
	}
	return id, nil
}

// TraceParent is the W3C trace that the request belongs to; empty when there is none, or
// when the header cannot be read.
func TraceParent(c echo.Context) string {
	if text := c.Request().Header.Get("traceparent"); chatbell.IsTraceParent(text) {
		return text
	}
	return ""
}

// The bounds of a list's page.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// Page reads limit and cursor; a cursor is the last id of the page before, encoded
// so that nobody reads a meaning into it.
func Page(c echo.Context) (after string, limit int, err error) {
	limit = defaultLimit
	if text := c.QueryParam("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxLimit {
			return "", 0, Invalid(Field("/limit", "must be a whole number from 1 to %d", maxLimit))
		}
	}
	if value := c.QueryParam("cursor"); value != "" {
		raw, err := base64.RawURLEncoding.DecodeString(value)
		if err != nil || !utf8.Valid(raw) {
			return "", 0, Invalid(Field("/cursor", "must be the next_cursor of an earlier answer"))
		}
		after = string(raw)
	}
	return after, limit, nil
}

// CursorAfter goes on after the last id of a full page: there may be more.
func CursorAfter(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }
