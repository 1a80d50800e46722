package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

// A ClickHouse folder that cannot be opened does not keep the server from starting: events
// are taken and sent, /readyz gives the engine's own words, and what waited is recorded
// once the folder is mended.
func TestBrokenClickHouseFolder(t *testing.T) {
	t.Parallel()
	w := apptest.Start(t, apptest.Config{Process: true, Networks: acme()})
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Post(apptest.Created("c", "bob"), apptest.Said("c", "m1"))
	w.Answers("SELECT count() FROM deliveries WHERE event_id = 'm1'", "1")
	w.Stop()
	files, err := filepath.Glob(filepath.Join(w.Dir, "data/clickhouse/store/store/*/*/attempts.sql"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the description of a table: %v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Start()
	w.Eventually("/readyz gives the engine's words", func() bool {
		status, answer := w.Call(http.MethodGet, "/readyz", nil)
		return status == http.StatusOK && strings.Contains(answer, "attempts.sql") && strings.Contains(answer, "Syntax error")
	})
	before := len(w.Box.Notifications(sandbox.Query{}))
	w.Post(apptest.Said("c", "m2"))
	w.Eventually("it is sent", func() bool { return len(w.Box.Notifications(sandbox.Query{})) == before+1 })
	if err := os.WriteFile(files[0], whole, 0o600); err != nil {
		t.Fatal(err)
	}
	w.Eventually("nothing is wrong any more", func() bool {
		status, answer := w.Call(http.MethodGet, "/readyz", nil)
		return status == http.StatusOK && strings.Contains(answer, `"degraded":[]`)
	})
	w.Answers("SELECT count(), uniqExact(delivery_id) FROM deliveries WHERE event_id IN ('m1', 'm2')", "2\t2")
	w.Stop()
}

// A ClickHouse server that is away when the server starts keeps nothing from being taken
// and sent; what waits is recorded when it is there.
func TestClickHouseAwayAtTheStart(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apptest.Config{Networks: acme()})
	address := regexp.MustCompile(`(?m)^(clickhouse: http://.*@)([^/]+)(/.*)$`)
	parts := address.FindStringSubmatch(w.Configuration())
	if parts == nil {
		t.Fatalf("no ClickHouse in %s", w.Configuration())
	}
	var here atomic.Bool
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: parts[2]})
	door := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !here.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(door.Close)
	w.Configure(address.ReplaceAllString(w.Configuration(), "${1}"+strings.TrimPrefix(door.URL, "http://")+"${3}"))
	w.Start()
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Post(apptest.Created("c", "bob"), apptest.Said("c", "m1"))
	w.Eventually("it is sent", func() bool { return len(w.Box.Notifications(sandbox.Query{})) > 0 })
	w.Eventually("/readyz says that ClickHouse is away", func() bool {
		status, answer := w.Call(http.MethodGet, "/readyz", nil)
		return status == http.StatusOK && strings.Contains(answer, "results wait until it answers")
	})
	here.Store(true)
	w.Answers("SELECT count() FROM deliveries WHERE event_id = 'm1' AND outcome = 'accepted'", "1")
	w.Eventually("nothing is wrong any more", func() bool {
		status, answer := w.Call(http.MethodGet, "/readyz", nil)
		return status == http.StatusOK && strings.Contains(answer, `"degraded":[]`)
	})
	w.Stop()
}
