package datadir

import (
	"log/slog"
	"strings"
	"testing"
)

// A folder is one process's, until it is given back.
func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	release, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another process uses "+dir) {
		t.Errorf("opening it twice: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release, err = Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("opening it again: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}
