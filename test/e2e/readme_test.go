package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"

	"chatbell/internal/polltest"
)

var (
	// shellBlock is a block of commands.
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	// answerBlock is what the commands before it print.
	answerBlock = regexp.MustCompile("(?s)```\n\n[^`]*?```\n(.*?)\n```")
	clockTime   = regexp.MustCompile(`^\d\d:\d\d:\d\d`)
)

// elsewhere are the README's commands that this test is run by, or that take as long as
// all tests: .ci/run runs them.
var elsewhere = []string{"make demo\n", "make test\n"}

// What the README tells to paste is run as it is written, by bash in an empty folder, and
// prints what the README says that it does: from "make build" to a push on a simulated
// phone, to the rows in ClickHouse, to the end of both programs.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, block := range shellBlock.FindAllStringSubmatch(string(readme), -1) {
		if slices.Contains(elsewhere, block[1]) {
			// That there is such a target can be said here.
			if out, err := exec.CommandContext(t.Context(), "make", "-C", "../..", "-n", strings.Fields(block[1])[1]).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", block[1], err, out)
			}
			continue
		}
		script.WriteString(block[1])
	}
	_, rest, _ := strings.Cut(string(readme), "soon told")
	answer := answerBlock.FindStringSubmatch(rest)
	if !strings.HasPrefix(script.String(), "make build\n") || !strings.HasSuffix(script.String(), "; wait\n") || answer == nil {
		t.Fatalf("the README has changed its form; its commands are\n%s", script.String())
	}
	dir := readmeFolder(t)
	said := runAlone(t, dir, script.String())
	lines := strings.Split(said, "\n")
	for i := range lines {
		lines[i] = clockTime.ReplaceAllString(lines[i], "")
	}
	for want := range strings.SplitSeq(answer[1], "\n") {
		if !slices.Contains(lines, clockTime.ReplaceAllString(want, "")) {
			t.Errorf("nothing prints %q:\n%s", want, said)
		}
	}
	for _, kept := range []string{"data/chatbell.db", "sandbox/acme.key"} {
		if _, err := os.Stat(filepath.Join(dir, kept)); err != nil {
			t.Error(err)
		}
	}
	if log, err := os.ReadFile(filepath.Join(dir, "server.log")); err != nil || !strings.Contains(string(log), `"msg":"stopped","well":true`) {
		t.Errorf("the server did not stop well: %v\n%s", err, log)
	}
}

// readmeFolder is a folder that looks like a fresh clone to who pastes the commands:
// "make build" there is that of the repository, but the program is put into the folder.
// With the race detector here, it is in there, too.
func readmeFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(repository, ".cache"), filepath.Join(dir, ".cache")); err != nil {
		t.Fatal(err)
	}
	makefile := fmt.Sprintf("build:\n\t@$(MAKE) --no-print-directory -C %s build BIN=$(CURDIR)/bin/chatbell\n", repository)
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte(makefile), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runAlone runs a script whose ports are fixed so that nobody else has them: in a network
// of its own, or, where that is not permitted, at a loopback address of its own.
func runAlone(t *testing.T, dir, script string) string {
	t.Helper()
	// The shell stops at the first command that fails, and its children end with it.
	args := []string{"bash", "-euo", "pipefail", "-c"}
	env := append(os.Environ(), "GOFLAGS="+strings.Join(append(strings.Fields(os.Getenv("GOFLAGS")), raceFlags()...), " "))
	if canUnshare(t) {
		args = append([]string{"unshare", "-rn"}, args...)
		script = "ip link set lo up\n" + script
	} else {
		pid := os.Getpid()
		own := fmt.Sprintf("127.%d.%d.%d", 64+pid>>16&63, pid>>8&255, pid&255)
		t.Logf("no network of its own is permitted: %s instead of 127.0.0.1", own)
		env = append(env, "CHATBELL_LISTEN="+own+":8080", "CHATBELL_CLICKHOUSE_LISTEN="+own+":8123")
		script = strings.NewReplacer("127.0.0.1", own, "bin/chatbell sandbox", "bin/chatbell sandbox --listen "+own+":9090").Replace(script)
	}
	output := filepath.Join(dir, "output")
	out, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(args[0], append(args[1:], script)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // whatever of it is left
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err = polltest.Receive(t, "the commands end", ended)
	said, readErr := os.ReadFile(output)
	if err != nil || readErr != nil {
		t.Fatalf("%v %v\n%s", err, readErr, said)
	}
	return string(said)
}

func canUnshare(t *testing.T) bool {
	t.Helper()
	return exec.CommandContext(t.Context(), "unshare", "-rn", "ip", "link", "set", "lo", "up").Run() == nil
}

// raceFlags are the flags with which this test has the race detector, if it has.
func raceFlags() (flags []string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, setting := range info.Settings {
		if setting.Key == "-race" || setting.Key == "-gcflags" {
			flags = append(flags, setting.Key+"="+setting.Value)
		}
	}
	return flags
}
