package web

import (
	"strings"
	"testing"
)

// FuzzNearest: what a lost caller is told is a route, whatever the path.
func FuzzNearest(f *testing.F) {
	var list []Route
	for _, path := range []string{
		"/v1/events", "/v1/users/:user", "/v1/channels/:channel", "/v1/channels/:channel/members", "/v1/channels/:channel/members/:user",
		"/v1/devices/:id", "/v1/settings/users/:user/channels/:channel", "/healthz", "/openapi.json",
	} {
		list = append(list, Route{Method: "GET", Path: path}, Route{Method: "PUT", Path: path})
	}
	known := map[string]bool{"": true}
	for _, r := range list {
		known[strings.NewReplacer(":channel", "{channel}", ":user", "{user}", ":id", "{id}").Replace(r.Path)] = true
		f.Add(r.Path)
	}
	for _, path := range []string{"", "/", "//", "/v1//events", "/v1/%00", "/ü/", strings.Repeat("/x", 5000), strings.Repeat("x", 5000)} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if got := nearest(list, path); !known[got] {
			t.Errorf("%q leads to %q", path, got)
		}
		if methods := methodsAt(list, path); len(methods) > 6 {
			t.Errorf("%q has %v", path, methods)
		}
	})
}
