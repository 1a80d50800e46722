package command_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// openToOthers lists what others may read or enter below a folder, which itself is open.
func openToOthers(t *testing.T, dir string) (open []string, all int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || path == dir {
			return nil // a running server removes files, too
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		all++
		if info.Mode().Perm()&0o077 != 0 && d.Type() != fs.ModeSymlink { // a link's own mode means nothing
			open = append(open, path+" "+info.Mode().String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return open, all
}

// In a data folder that everybody may enter (a mount, a package's) no file is readable
// by others: not those that are made, and not those that earlier versions made.
func TestDataFilesArePrivate(t *testing.T) {
	t.Parallel()
	s := &server{t: t, dir: t.TempDir(), out: t.TempDir()}
	data := filepath.Join(s.dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	s.start()
	if open, all := openToOthers(t, data); len(open) > 0 || all < 20 {
		t.Errorf("of %d files others may read\n%s", all, strings.Join(open, "\n"))
	}
	s.stop()
	opened := 0
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() == fs.ModeSymlink { // ClickHouse's own, which are relative to its working folder
			return err
		}
		mode := fs.FileMode(0o644)
		if d.IsDir() {
			mode = 0o755
		}
		opened++
		return os.Chmod(path, mode)
	})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(data, "link")); err != nil {
		t.Fatal(err)
	}
	s.start()
	if open, _ := openToOthers(t, data); len(open) > 0 {
		t.Errorf("after a start on %d open files others may read\n%s", opened, strings.Join(open, "\n"))
	}
	if info, err := os.Stat(elsewhere); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("a link was followed out of the folder: %v, %v", info.Mode(), err)
	}
	if log := s.said("stderr"); !strings.Contains(log, "could be read by other users; that is mended") {
		t.Errorf("the log does not say it:\n%s", log)
	}
	s.stop()
}
