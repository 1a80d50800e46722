// Package datadir opens the data folder, which holds push tokens, hashes of keys and texts
// that wait: nobody but its owner may read them.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// others are the permissions of a file's group and of everybody.
const others fs.FileMode = 0o077

// makePrivate takes from others what they may do with the files of the data folder:
// they hold push tokens, hashes of keys and texts that wait. New files are made private
// by the command's umask; these are of earlier versions, or were copied in. The folder
// itself is the operator's: it may be a mount or a package's. It returns how many files
// it changed. Symbolic links are not followed, so that nobody who may write to the
// folder can point it at files elsewhere.
func makePrivate(dir string) (changed int, err error) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	if info.Mode()&others == 0 {
		return 0, nil // nobody else gets in
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	var errs []error
	err = fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			errs = append(errs, err)
			return nil
		case path == "." || !entry.IsDir() && !entry.Type().IsRegular():
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone meanwhile
		}
		if err != nil {
			return err
		}
		if info.Mode()&others == 0 {
			if entry.IsDir() {
				return fs.SkipDir // nobody else gets in here, whatever lies below
			}
			return nil
		}
		if err := root.Chmod(path, info.Mode().Perm()&^others); err != nil {
			errs = append(errs, err)
			return nil
		}
		changed++
		return nil
	})
	return changed, errors.Join(append(errs, err)...)
}

// Open makes the folder if there is none, takes it for this process, and makes the files in
// it private. It says so where that changed something: somebody may have relied on
// reading them. The folder is given back by calling release, or when the process ends.
func Open(dir string, log *slog.Logger) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder (configuration key data): %w", err)
	}
	lock, err := take(dir)
	if err != nil {
		return nil, err
	}
	changed, err := makePrivate(dir)
	if changed > 0 {
		log.Warn("files of the data folder could be read by other users; that is mended", "data", dir, "files", changed)
	}
	if err != nil {
		log.Warn("files of the data folder may be readable by other users; run: chmod -R go-rwx "+fmt.Sprintf("%q", dir), "error", err)
	}
	return lock.Close, nil
}

// take keeps a second process from the folder: it would change the store's schema, or
// remove lists that are on their way in, under the first.
func take(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another process uses %s: stop it, or choose another data folder (configuration key data): %w", dir, err), lock.Close())
	}
	return lock, nil
}
