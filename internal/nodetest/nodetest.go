// Package nodetest runs scripts with Node and the npm packages of scripts/clients, which
// scripts/setup puts into .cache/clients: tests ask with it what a customer's program
// makes of what chatbell sends and answers.
package nodetest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Run runs a script to its end and returns what it wrote to its standard output. The
// script's path is relative to the test's folder; it is CommonJS (.cjs), so that it can
// require the packages by their names. It reads input from its standard input, and
// is ended when the test is over its time. The test fails if the script does.
func Run(t testing.TB, script string, input []byte, args ...string) []byte {
	t.Helper()
	modules, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "node", append([]string{script}, args...)...) //nolint:gosec // a test's own script
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("node %s: %v\n%s%s", script, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.Bytes()
}

// packages is where the packages are: in the repository that the test's folder is in.
func packages() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the test does not run in the repository")
		}
		dir = parent
	}
	modules := filepath.Join(dir, ".cache", "clients", "node_modules")
	if _, err := os.Stat(modules); err != nil {
		return "", fmt.Errorf("run scripts/setup first: %w", err)
	}
	return modules, nil
}
