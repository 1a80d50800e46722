package e2e_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"chatbell/analytics/engine"
	"chatbell/internal/sandbox"
)

// A server that was told to stop has recorded what it has sent: who looks into
// ClickHouse afterwards finds it.
func TestStopRecordsWhatWasSent(t *testing.T) {
	w := newWorld(t, sandbox.Config{}, "", sandbox.Network{ID: "acme", Key: key})
	w.start()
	w.device("bob", "apns", hex(1), "en")
	w.post(created("c", "bob"))
	w.eventually("bob is told", func() bool { return len(w.box.Notifications(sandbox.Query{Target: hex(1)})) == 1 })
	w.stop()

	sum := sha256.Sum256([]byte(password))
	e, err := engine.Start(t.Context(), engine.Config{
		Library: w.library, Dir: filepath.Join(w.dir, "data", "clickhouse"), Listen: w.clickhouse,
		AnalystUser: "analyst", AnalystPasswordSHA256: fmt.Sprintf("%x", sum), Command: []string{os.Args[0], "engine"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := e.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.query("SELECT user_id, outcome FROM chatbell.deliveries"); got != "bob\taccepted" {
		t.Errorf("the rows are %q, want bob's", got)
	}
}
