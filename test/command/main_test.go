package command_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"testing"
)

// exitFailed is the code of a command that has failed; wrong use has another.
const exitFailed = 1

// program is the built chatbell.
var program string

// TestMain builds chatbell as this test was built: with the race detector, if it has that.
func TestMain(m *testing.M) {
	syscall.Umask(0o022) // as on most machines, whatever this one's: servers take it from here
	dir, err := os.MkdirTemp("", "chatbell-command-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "chatbell")
	code := 1
	if err := build(program); err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// build builds without tables for debuggers, which take half of the linker's time.
func build(to string) error {
	args := []string{"build", "-buildvcs=false", "-ldflags=-s -w"}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "-race" || setting.Key == "-gcflags" {
				args = append(args, setting.Key+"="+setting.Value)
			}
		}
	}
	out, err := exec.Command("go", append(args, "-o", to, "chatbell/cmd/chatbell")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build chatbell: %w\n%s", err, out)
	}
	return nil
}

// command is chatbell with arguments, in a folder of its own.
func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	library, err := filepath.Abs("../../.cache/engine/libchdb.so")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CHATBELL_CLICKHOUSE_ENGINE="+library)
	return cmd
}
