package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// LibraryName is the engine's file, on every system.
const LibraryName = "libchdb.so"

// ErrNoLibrary says that the engine's library is nowhere to be found.
var ErrNoLibrary = errors.New("the embedded ClickHouse engine (" + LibraryName + ") is not installed: run `make setup`, or set clickhouse_engine to its path, or clickhouse to a server")

// FindLibrary gives the absolute path of the engine's library: the configured one, or
// the first that exists of: beside the binary, in the data folder, where make setup put
// it (seen from the binary's parent folder, and from the working folder). A configured
// path that does not exist is an error, never a reason to take another.
func FindLibrary(configured, dataDir string) (string, error) {
	if configured != "" {
		if path, ok := exists(configured); ok {
			return path, nil
		}
		return "", fmt.Errorf("clickhouse_engine names %s, which does not exist: run `make setup`, or correct the path", configured)
	}
	places := []string{dataDir, filepath.Join(".cache", "engine")}
	if exe, err := os.Executable(); err == nil {
		if target, err := filepath.EvalSymlinks(exe); err == nil {
			exe = target
		}
		bin := filepath.Dir(exe)
		places = []string{bin, dataDir, filepath.Join(filepath.Dir(bin), ".cache", "engine"), filepath.Join(".cache", "engine")}
	}
	for _, dir := range places {
		if path, ok := exists(filepath.Join(dir, LibraryName)); ok {
			return path, nil
		}
	}
	return "", ErrNoLibrary
}

// exists follows links and makes the path absolute, because the engine's process has a
// working folder of its own.
func exists(path string) (string, bool) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", false
	}
	abs, err := filepath.Abs(target)
	if err != nil {
		return "", false
	}
	info, err := os.Stat(abs)
	return abs, err == nil && info.Mode().IsRegular()
}
