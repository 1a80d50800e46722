package front

import (
	"net/http"
	"slices"
	"strings"
)

// Mount is a handler and the paths at which it answers, with all that is below them.
// Without paths it answers what no other mount does.
type Mount struct {
	Paths   []string
	Handler http.Handler
}

// Mux hands each request to the mount with the longest path that fits. Paths are compared
// as they were sent, so that an encoded letter leads nobody past a handler.
func Mux(mounts ...Mount) http.Handler {
	var routes mux
	for _, mount := range mounts {
		if len(mount.Paths) == 0 {
			routes.otherwise = mount.Handler
		}
		for _, path := range mount.Paths {
			routes.places = append(routes.places, place{strings.TrimSuffix(path, "/"), mount.Handler})
		}
	}
	slices.SortFunc(routes.places, func(a, b place) int { return len(b.path) - len(a.path) })
	if routes.otherwise == nil {
		routes.otherwise = http.NotFoundHandler()
	}
	return &routes
}

type mux struct {
	places    []place // the longest first
	otherwise http.Handler
}

type place struct {
	path    string
	handler http.Handler
}

// ServeHTTP implements http.Handler.
func (m *mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sent := r.URL.EscapedPath()
	for _, p := range m.places {
		if rest, below := strings.CutPrefix(sent, p.path); below && (rest == "" || rest[0] == '/') {
			p.handler.ServeHTTP(w, r)
			return
		}
	}
	m.otherwise.ServeHTTP(w, r)
}
