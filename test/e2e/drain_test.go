package e2e_test

import (
	"path/filepath"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

// A server that was told to stop has recorded what it has sent: who looks into
// ClickHouse afterwards finds it.
func TestStopRecordsWhatWasSent(t *testing.T) {
	t.Parallel()
	// The time to stop in is long enough for a machine with much other work.
	w := apptest.Start(t, apptest.Config{Process: true, Networks: acme(), YAML: "shutdown_timeout: 2m\n"})
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Post(apptest.Created("c", "bob"))
	w.Eventually("bob is told", func() bool { return len(w.Box.Notifications(sandbox.Query{Target: apptest.Token(1)})) == 1 })
	w.Stop()
	e := clickhousetest.StartIn(t, filepath.Join(w.Dir, "data", "clickhouse"))
	if got := e.Query("SELECT user_id, outcome FROM chatbell.deliveries"); got != "bob\taccepted" {
		t.Errorf("the rows are %q, want bob's", got)
	}
}
