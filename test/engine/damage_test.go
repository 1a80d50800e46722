package engine_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/analytics/engine"
	"chatbell/internal/polltest"
)

// metadata finds the file in which a data folder describes a table or a database.
func metadata(t *testing.T, dir, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: found %v, %v", pattern, files, err)
	}
	return files[0]
}

// A data folder that cannot be opened is no error of Start: the engine's own words say what
// is wrong with it, it is tried again and again, and works as soon as it is mended.
func TestBrokenMetadata(t *testing.T) {
	t.Parallel()
	cfg, log := listenTo(config(t))
	s := clickhousetest.StartOn(t, cfg)
	clickhousetest.Fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	table := metadata(t, cfg.Dir, "store/store/*/*/t.sql")
	base := metadata(t, cfg.Dir, "store/metadata/chatbell.sql")
	for name, c := range map[string]struct {
		file, text string
		want       []string
	}{
		"a table's is garbage":    {table, "\x00\xff\x17 garbage", []string{"t.sql", "Syntax error"}},
		"a table's is empty":      {table, "", []string{"t.sql", "mpty"}},
		"a database's is garbage": {base, "ATTACH garbage", []string{"chatbell.sql", "Syntax error"}},
		"a database's is empty":   {base, "", []string{"chatbell.sql", "mpty"}},
	} {
		whole, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := engine.Start(t.Context(), cfg)
		if err != nil {
			t.Errorf("%s: Start fails: %v", name, err)
			continue
		}
		polltest.Until(t, name+": the engine's words", func() bool {
			trouble := s.Err()
			for _, words := range append(c.want, "restore the folder from a backup") {
				if trouble == nil || !strings.Contains(trouble.Error(), words) {
					return false
				}
			}
			return true
		})
		if err := os.WriteFile(c.file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Ready(t.Context()); err != nil {
			t.Fatalf("%s: not after it is mended: %v", name, err)
		}
		if got := clickhousetest.AsAnalyst(t, s).Must("SELECT count() FROM t"); got != "1000\n" {
			t.Errorf("%s: rows after it is mended: %q", name, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadFile(c.file); err != nil || !bytes.Equal(left, whole) {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "Syntax error") {
		t.Errorf("the log does not tell: %s", log)
	}
}
