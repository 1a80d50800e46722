package engine_test

import (
	"flag"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/analytics/engine"
)

var update = flag.Bool("update", false, "write the lists of docs/clickhouse.md")

const document = "../../docs/clickhouse.md"

var listed = regexp.MustCompile(`(?s)<!-- list: ([^\n]*) -->\n(.*?)<!-- end -->`)

// The lists of docs/clickhouse.md are those of the code, and of this engine. Write them
// with: go test ./analytics/engine -run TestDocument -update
func TestDocument(t *testing.T) {
	t.Parallel()
	s := shared(t)
	w, a := clickhousetest.AsWriter(t, s), clickhousetest.AsAnalyst(t, s)
	lists := engine.Lists(w.Must(engine.FunctionsQuery), w.Must(engine.TableFunctionsQuery))
	page, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		page = listed.ReplaceAllFunc(page, func(block []byte) []byte {
			name := string(listed.FindSubmatch(block)[1])
			return []byte("<!-- list: " + name + " -->\n" + wrapped(lists[name]) + "<!-- end -->")
		})
		if err := os.WriteFile(document, page, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := 0
	for _, block := range listed.FindAllSubmatch(page, -1) {
		name := string(block[1])
		if _, ok := lists[name]; ok {
			found++
		}
		if got, want := string(block[2]), wrapped(lists[name]); got != want {
			t.Errorf("the list of %s in docs/clickhouse.md is not the code's: write it with -update\n\tis   %s\n\twant %s", name, got, want)
		}
	}
	if found != len(lists) {
		t.Errorf("docs/clickhouse.md has %d lists of %d", found, len(lists))
	}
	// What is listed is so.
	for _, name := range lists["system tables"] {
		if got := a.Ask("SELECT * FROM system." + name + " LIMIT 0"); got.Status != http.StatusOK {
			t.Errorf("system.%s: %d %.200q", name, got.Status, got.Body)
		}
	}
	for _, name := range lists["refused functions"] {
		for _, query := range []string{"SELECT `" + name + "`()", "SELECT arrayMap(" + name + ", ['x'])", "SELECT * APPLY(" + name + ") FROM (SELECT 'x')", "SHOW TABLES WHERE 1 = `" + name + "`('x')"} {
			got := a.Ask(query)
			noArgument := got.Status == http.StatusBadRequest || strings.Contains(got.Body, "(NUMBER_OF_ARGUMENTS_DOESNT_MATCH)") // user, hostname and the like may be columns
			if got.Status != http.StatusForbidden && (!noArgument || strings.Contains(query, "`")) {
				t.Errorf("%s: got %d %.200q", query, got.Status, got.Body)
			}
		}
	}
	for _, name := range slices.Concat(lists["settings"], lists["bounded settings"]) {
		if got := w.Must("SELECT count() FROM system.settings WHERE name = '" + name + "'"); got != "1\n" {
			t.Errorf("there is no setting %s in this engine", name)
		}
	}
}

// wrapped writes names as a paragraph.
func wrapped(names []string) string {
	const width = 130
	var b strings.Builder
	column := 0
	for i, name := range names {
		piece := "`" + name + "`"
		if i < len(names)-1 {
			piece += ","
		}
		switch {
		case column == 0:
		case column+1+len(piece) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(piece)
		column += len(piece)
	}
	b.WriteByte('\n')
	return b.String()
}
