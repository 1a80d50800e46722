package engine

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A page is taken whole, wherever in the file it is, or not at all.
func TestFindPage(t *testing.T) {
	t.Parallel()
	const whole = "<!DOCTYPE html>\n<html><title>ClickHouse Query</title>…</html>"
	other := "<!DOCTYPE html><title>ClickHouse</title></html>\x00"
	for name, c := range map[string]struct{ file, want string }{
		"alone":               {whole, whole + "\n"},
		"among others":        {other + whole + "\n\x00" + other, whole + "\n"},
		"over the first edge": {strings.Repeat("\x01", 1<<20-30) + whole, whole + "\n"},
		"at the edge's end":   {strings.Repeat("\x01", 1<<20-len(pageTitle)-21) + whole, whole + "\n"},
		"far":                 {strings.Repeat("\x01", 7<<20) + whole, whole + "\n"},
		"none":                {strings.Repeat("\x01", 3<<20) + other, ""},
		"empty":               {"", ""},
		"no beginning":        {"<html><title>ClickHouse Query</title></html>", ""},
		"no end":              {strings.TrimSuffix(whole, "</html>"), ""},
		"cut by what is no text": {
			"<!DOCTYPE html>\x00<title>ClickHouse Query</title></html>", "",
		},
		"the beginning is another's": {"<!DOCTYPE html>" + strings.Repeat(" ", maxPageHead) + "<title>ClickHouse Query</title></html>", ""},
	} {
		path := filepath.Join(t.TempDir(), LibraryName)
		if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := findPage(path)
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
	}
}

// Who asks for a page that the library does not have is told so.
func TestNoPage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), LibraryName)
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &page{library: path}
	for range 2 {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/play", nil))
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "has no page") {
			t.Errorf("got %d %q", w.Code, w.Body)
		}
	}
}
