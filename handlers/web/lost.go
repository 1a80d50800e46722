package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// guide turns "not found" and "method not allowed" into what would have been right.
// Routes beside are answered elsewhere at the same address.
func guide(list, beside []Route, document string) echo.MiddlewareFunc {
	seeDocument := ""
	if document != "" {
		seeDocument = ". All routes are in " + document
	}
	all := slices.Concat(list, beside)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := next(c)
			switch {
			case errors.Is(err, echo.ErrMethodNotAllowed):
				methods := methodsAt(list, c.Request().URL.EscapedPath())
				if len(methods) == 0 {
					methods = []string{http.MethodGet, http.MethodHead} // a page for people
				}
				c.Response().Header().Set("Allow", strings.Join(methods, ", "))
				return NewProblem(http.StatusMethodNotAllowed, "possible here: %s%s", strings.Join(methods, ", "), seeDocument)
			case errors.Is(err, echo.ErrNotFound):
				near := nearest(all, c.Request().URL.EscapedPath())
				if near == "" {
					return NewProblem(http.StatusNotFound, "there is no such route%s", seeDocument)
				}
				return NewProblem(http.StatusNotFound, "there is no such route; the nearest is %s%s", near, seeDocument)
			}
			return err
		}
	}
}

// methodsAt lists the methods of a path. HEAD is answered wherever GET is.
func methodsAt(list []Route, path string) (methods []string) {
	for _, route := range list {
		if distance(segments(route.Path), segments(path)) == 0 {
			methods = append(methods, route.Method)
		}
	}
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	slices.Sort(methods)
	return slices.Compact(methods)
}

const (
	// These bound the work for a path that nobody has meant: our longest has six segments,
	// which are not long unless they are ids.
	maxLostSegments = 8
	maxLostSegment  = 32
	// A path that differs from a route by more than tooFar was not meant to be it: it may
	// lack one segment, or have one too many, and have some letters wrong.
	tooFar    = 12
	gap       = 8  // for a segment that is missing, or is too many
	unrelated = 16 // for a segment that is another word
)

// nearest is the path that a caller may have meant, as the document writes it.
func nearest(list []Route, path string) string {
	lost := segments(path)
	if len(lost) > maxLostSegments {
		return ""
	}
	best := ""
	least := tooFar + 1
	for _, route := range list {
		if diff := distance(segments(route.Path), lost); diff < least {
			best = route.Path
			least = diff
		}
	}
	parts := segments(best)
	for i, part := range parts {
		if strings.HasPrefix(part, ":") {
			parts[i] = fmt.Sprintf("{%s}", part[1:])
		}
	}
	if best == "" {
		return ""
	}
	return "/" + strings.Join(parts, "/")
}

func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// distance is how much has to be changed to make a path of a route: segments put in or
// left out, and letters changed.
func distance(known, lost []string) int {
	return edit(len(known), len(lost), gap, func(i, j int) int { return wordDistance(known[i], lost[j]) })
}

// wordDistance is that of two segments; a parameter is like every word.
func wordDistance(known, lost string) int {
	if known == lost || strings.HasPrefix(known, ":") {
		return 0
	}
	if len(lost) > maxLostSegment {
		return unrelated
	}
	diff := edit(len(known), len(lost), 1, func(i, j int) int {
		if known[i] == lost[j] {
			return 0
		}
		return 1
	})
	if diff > len(known)/2 {
		return unrelated
	}
	return diff
}

// edit is Levenshtein's distance of two lists, by what putting in or leaving out costs,
// and what it costs to put one element in the other's place.
func edit(n, width, gap int, replace func(i, j int) int) int {
	above := make([]int, width+1)
	for j := range above {
		above[j] = j * gap
	}
	for i := range n {
		row := make([]int, width+1)
		row[0] = (i + 1) * gap
		for j := range width {
			row[j+1] = min(above[j]+replace(i, j), above[j+1]+gap, row[j]+gap)
		}
		above = row
	}
	return above[width]
}
