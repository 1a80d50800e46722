package command_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// demoCommand is the demo with a temporary folder of its own.
func demoCommand(t *testing.T, args ...string) (cmd *exec.Cmd, temp string) {
	t.Helper()
	script, err := filepath.Abs("../../testdata/demo")
	if err != nil {
		t.Fatal(err)
	}
	temp = t.TempDir()
	cmd = command(t, t.TempDir(), append([]string{"demo", "--script", script}, args...)...)
	cmd.Env = append(cmd.Env, "TMPDIR="+temp)
	return cmd, temp
}

// nothingLeft checks that the demo's folder and its server are gone.
func nothingLeft(t *testing.T, temp string) {
	t.Helper()
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("in its temporary folder is %v %v", left, err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range processes {
		line, err := os.ReadFile(file)
		if err == nil && bytes.Contains(line, []byte(temp)) {
			t.Errorf("still running: %q", line)
		}
	}
}

// Ctrl-C in the demo stops it, and is no failure of chatbell's: it says so, exits as a
// shell expects of what was interrupted, and leaves nothing behind. A second one does
// not wait for the server's drain.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		until string
		times int
	}{
		"in the middle":  {"[ 3/", 1},
		"twice":          {"[ 3/", 2},
		"before the day": {"Starting simulated", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, temp := demoCommand(t)
			p := begin(t, cmd)
			p.says(tt.until)
			for range tt.times {
				p.signal(syscall.SIGINT)
			}
			p.exit(130)
			if said := p.said.String(); !strings.HasSuffix(said, "chatbell: stopped (interrupt)\n") || strings.Contains(said, "canceled") {
				t.Errorf("it says\n%s", said)
			}
			nothingLeft(t, temp)
		})
	}
}

// When all was shown, Ctrl-C is how the demo ends. Meanwhile the call that it shows can
// be made as it is written, and the keys that it prints are the networks'.
func TestDemoKept(t *testing.T) {
	t.Parallel()
	cmd, temp := demoCommand(t, "--keep")
	p := begin(t, cmd)
	p.says("  sandbox  ")
	said := p.said.String()
	_, call, _ := strings.Cut(said, "\n  curl -u ")
	call, _, ok := strings.Cut(call, "\"\n\n")
	if !ok {
		t.Fatalf("it shows no call:\n%s", said)
	}
	call = "curl -sSf -u " + call + "\""
	out, err := exec.CommandContext(t.Context(), "sh", "-c", call).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "alice") {
		t.Errorf("%s\nanswers %v\n%s", call, err, out)
	}
	api := regexp.MustCompile(`API +(http://\S+)`).FindStringSubmatch(said)
	keys := regexp.MustCompile(`key of \w+: +(\S+)`).FindAllStringSubmatch(said, -1)
	if api == nil || len(keys) != 2 {
		t.Fatalf("it does not print the API's address and two keys:\n%s", said)
	}
	for _, key := range keys {
		if status := postAs(t, key[1], api[1]+"/v1/events", `{"type": "a.b"}`); status != http.StatusAccepted {
			t.Errorf("%s: status %d", key[0], status)
		}
	}
	p.signal(syscall.SIGINT)
	p.exit(0)
	nothingLeft(t, temp)
}
