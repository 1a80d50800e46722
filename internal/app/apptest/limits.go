package apptest

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// These variables bound what a server's process may open, and how long a file may become:
// for its writes that is a full disk.
const (
	FilesVariable = "TEST_CHATBELL_FILES"
	BytesVariable = "TEST_CHATBELL_FILE_BYTES"
)

// limits bounds this process as the variables say.
func limits() error {
	for variable, resource := range map[string]int{FilesVariable: syscall.RLIMIT_NOFILE, BytesVariable: syscall.RLIMIT_FSIZE} {
		text := os.Getenv(variable)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %w", variable, err)
		}
		signal.Ignore(syscall.SIGXFSZ) // the write fails, too
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	return nil
}
