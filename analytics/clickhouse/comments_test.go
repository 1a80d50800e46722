package clickhouse

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
)

var update = flag.Bool("update", false, "write docs/columns.md anew")

const columnsHead = `# Columns

The tables of the database ` + "`chatbell`" + `, as they describe themselves: ` + "`DESCRIBE TABLE deliveries`" + ` shows the same. [Asking ClickHouse](clickhouse.md)
says how to get there, [reasons](reasons.md) what each reason means. Ids are those of the chat backend; times are in UTC.

This page is made from the code; after a change run

    go test ./analytics/clickhouse -run TestColumnsPage -update
`

// The comments in the database and docs/columns.md are the declaration's.
func TestColumnsPage(t *testing.T) {
	e := clickhousetest.Shared(t)
	open(t, e)
	var page strings.Builder
	page.WriteString(columnsHead)
	all := relations()
	same(t, e, "SELECT count() FROM system.tables WHERE database = '{db}'", fmt.Sprint(len(all)))
	for _, r := range all {
		same(t, e, "SELECT comment FROM system.tables WHERE database = '{db}' AND name = '"+r.name+"' FORMAT TSVRaw", r.about)
		rows := strings.Split(e.Query("SELECT name, type, comment FROM system.columns WHERE database = '{db}' AND table = '"+r.name+"' ORDER BY position FORMAT TSVRaw"), "\n")
		if len(rows) != len(r.columns) {
			t.Fatalf("%s has %d columns, %d are described", r.name, len(rows), len(r.columns))
		}
		fmt.Fprintf(&page, "\n## %s\n\n%s\n", r.name, r.about)
		if r.name != "goose_db_version" {
			page.WriteString("\n| column | type | |\n|---|---|---|\n")
		}
		for i, line := range rows {
			cells := strings.SplitN(line, "\t", 3)
			if want := r.columns[i]; cells[0] != want.column || cells[2] != want.doc || want.doc == "" {
				t.Errorf("%s.%s is commented %q, want %s: %q", r.name, cells[0], cells[2], want.column, want.doc)
			}
			if r.name != "goose_db_version" {
				fmt.Fprintf(&page, "| `%s` | `%s` | %s |\n", cells[0], cells[1], cells[2])
			}
		}
	}
	path := filepath.Join("..", "..", "docs", "columns.md")
	if *update {
		if err := os.WriteFile(path, []byte(page.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != page.String() {
		t.Errorf("docs/columns.md is not what the code says (%v); run: go test ./analytics/clickhouse -run TestColumnsPage -update", err)
	}
}

// Comments follow the build, and need no change when they are right.
func TestCommentsFollow(t *testing.T) {
	e := clickhousetest.Shared(t)
	open(t, e)
	e.Query("ALTER TABLE {db}.deliveries COMMENT COLUMN reason 'of another build', MODIFY COMMENT 'it''s \\\\'")
	const changed = "SELECT metadata_modification_time FROM system.tables WHERE database = '{db}' AND name = 'attempts'"
	before := e.Query(changed)
	open(t, e)
	same(t, e, "SELECT comment FROM system.columns WHERE database = '{db}' AND table = 'deliveries' AND name = 'reason'", "Why it was not sent, or why it failed, one of a closed list (docs/reasons.md); empty when accepted.")
	same(t, e, "SELECT comment LIKE 'One row%' FROM system.tables WHERE database = '{db}' AND name = 'deliveries'", "1")
	same(t, e, changed, before)
}

// A server that lets us insert and not alter is used without the comments.
func TestCommentsRefused(t *testing.T) {
	e := clickhousetest.Shared(t)
	target, err := url.Parse(e.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if bytes.HasPrefix(body, []byte("ALTER")) && bytes.Contains(body, []byte(" COMMENT ")) {
			w.Header().Set("X-ClickHouse-Exception-Code", "497")
			http.Error(w, "Code: 497. DB::Exception: Not enough privileges. (ACCESS_DENIED)", http.StatusForbidden)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	var log bytes.Buffer
	s, err := Open(t.Context(), Config{DSN: strings.Replace(e.DSN(), target.Host, strings.TrimPrefix(front.URL, "http://"), 1), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !strings.Contains(log.String(), "without their comments") || !strings.Contains(log.String(), "ACCESS_DENIED") {
		t.Errorf("nobody is told: %s", log.String())
	}
	if err := s.Insert(t.Context(), "token", rows(0, 1)); err != nil {
		t.Error(err)
	}
	same(t, e, "SELECT count() FROM {db}.deliveries", "1")
}
