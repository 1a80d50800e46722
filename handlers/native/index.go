package native

import (
	"fmt"
	"html"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// index is what somebody finds who has only the address.
type index struct {
	Name    string            `json:"name"`
	Version string            `json:"version"`
	Links   map[string]string `json:"links"`
}

// links are where to go from /, in this order on the page.
var links = []struct{ path, what string }{
	{"/openapi.json", "the API's description (OpenAPI 3.1)"},
	{"/healthz", "whether the process lives"},
	{"/readyz", "whether events can be accepted, and what is degraded"},
	{"/metrics", "metrics for Prometheus"},
}

// getIndex tells people and programs what this is and where to go.
func (a *api) getIndex(c echo.Context) error {
	if !strings.Contains(c.Request().Header.Get("Accept"), "text/html") {
		out := index{Name: "chatbell", Version: a.version, Links: map[string]string{}}
		for _, l := range links {
			out.Links[l.path] = l.what
		}
		return c.JSON(http.StatusOK, out)
	}
	var page strings.Builder
	fmt.Fprintf(&page, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>chatbell</title>\n<h1>chatbell %s</h1>\n"+
		"<p>The notification server of a chat backend: events come in by <code>POST /v1/events</code>, with a key as <code>Authorization: Bearer &lt;key&gt;</code>.</p>\n<ul>\n",
		html.EscapeString(a.version))
	for _, l := range links {
		fmt.Fprintf(&page, "<li><a href=\"%s\">%s</a>: %s</li>\n", l.path, l.path, l.what)
	}
	page.WriteString("</ul>\n</html>\n")
	return c.HTML(http.StatusOK, page.String())
}
