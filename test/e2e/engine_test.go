package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
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
