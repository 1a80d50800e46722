package engine_test

import (
	"net/http"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
)

// Analysts learn neither what others ask nor where the server keeps its files.
func TestAnalystsSeeNoServer(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	s := clickhousetest.StartOn(t, cfg)
	a, w := clickhousetest.AsAnalyst(t, s), clickhousetest.AsWriter(t, s)
	w.Must("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a AS SELECT 1")
	for _, q := range []string{"SELECT * FROM system.tables", "SELECT * FROM system.databases", "SELECT * FROM system.parts", "SELECT * FROM system.parts_columns", "SELECT * FROM nope", "SELECT * FROM system.settings"} {
		if got := a.Ask(q); strings.Contains(got.Body, cfg.Dir) {
			t.Errorf("%s tells the folder: %.500s", q, got.Body)
		}
	}
	for _, f := range []string{"filesystemCapacity()", "filesystemAvailable()", "serverUUID()", "getServerSetting('max_connections')", "getMacro('x')", "tcpPort()", "getOSKernelVersion()", "logTrace('x')"} {
		if got := a.Ask("SELECT " + f); got.Status != http.StatusForbidden {
			t.Errorf("%s: got %d %.200q", f, got.Status, got.Body)
		}
	}
	// The machine's name is answered with ours.
	if got := a.Must("SELECT FQDN(), fullHostName(), hostName()"); got != "chatbell\tchatbell\tchatbell\n" {
		t.Errorf("the names of the machine are %q", got)
	}
	if got := w.Must("SELECT count() FROM system.processes"); got != "1\n" {
		t.Errorf("the writer sees %q queries", got)
	}
	for _, q := range []string{"SELECT * FROM system.processes", "SHOW PROCESSLIST"} {
		if got := a.Must(q); got != "" {
			t.Errorf("%s: got %.200q", q, got)
		}
	}
}
