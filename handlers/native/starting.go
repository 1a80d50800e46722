package native

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// startingRetry is when a caller may come again, in seconds: a start takes a few.
const startingRetry = 2

// Starting answers while the parts behind the API are opened: /healthz says that the
// process lives, everything else, /readyz above all, that it is to be asked later. An
// orchestrator neither kills the process for that nor sends it traffic. What it waits
// for, if it is known, is said.
func Starting(version, waitsFor string) http.Handler {
	starting := "starting"
	if waitsFor != "" {
		starting += ": it waits for " + waitsFor
	}
	alive := mustJSON(map[string]string{"status": "starting", "version": version})
	later := mustJSON(problem(http.StatusServiceUnavailable, "the server is %s; nothing was accepted, send it again later", starting))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(alive) // who has left needs no answer
			return
		}
		w.Header().Set("Content-Type", mediaProblem)
		w.Header().Set("Retry-After", strconv.Itoa(startingRetry))
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(later) // as above
	})
}

// mustJSON encodes what is ours.
func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
