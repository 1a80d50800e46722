package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatbell/internal/polltest"
	"chatbell/internal/sandbox"
)

// transcript is what a process says, for a test that waits for some of it.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{}, 1)} }

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// process is a running chatbell.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	said   *transcript // both streams, but what goes elsewhere
	exited chan struct{}
}

func begin(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, said: newTranscript(), exited: make(chan struct{})}
	if cmd.Stderr = p.said; cmd.Stdout == nil {
		cmd.Stdout = p.said
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait(); close(p.exited) }() // the code is asked for in exit
	return p
}

// patience bounds every wait: the machine may be busy.
const patience = 2 * time.Minute

// says waits until the process has said something.
func (p *process) says(what string) {
	p.t.Helper()
	deadline := time.After(patience)
	for !strings.Contains(p.said.String(), what) {
		select {
		case <-p.said.changed:
		case <-p.exited:
			if !strings.Contains(p.said.String(), what) {
				p.t.Fatalf("it ended and never said %q:\n%s", what, p.said)
			}
		case <-deadline:
			p.t.Fatalf("it never said %q:\n%s", what, p.said)
		}
	}
}

// api waits until a server is ready and gives its address.
func (p *process) api() string {
	p.t.Helper()
	p.says(`"msg":"ready"`)
	var ready []string
	polltest.Until(p.t, "the line is whole", func() bool {
		ready = readyLine.FindStringSubmatch(p.said.String())
		return ready != nil
	})
	return "http://" + ready[1]
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end and checks its code.
func (p *process) exit(code int) {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("it does not end:\n%s", p.said)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("it exits with %d, want %d:\n%s", got, code, p.said)
	}
}

// sandboxed is the command line of a server that uses a sandbox, in a folder of its own.
func sandboxed(t *testing.T, more string) (box *sandbox.Server, dir string) {
	t.Helper()
	dir = t.TempDir()
	box, err := sandbox.Start(t.Context(), sandbox.Config{Dir: filepath.Join(dir, "sandbox")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	creds := box.Credentials()
	text := fmt.Sprintf("listen: 127.0.0.1:0\nclickhouse_listen: 127.0.0.1:0\n%s\n%s", more, creds.YAML(sandbox.Network{ID: "acme", Key: acmeKey}))
	if err := os.WriteFile(filepath.Join(dir, "chatbell.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return box, dir
}

const acmeKey = "acme-backend-key-0123456789"

// postAs sends JSON with a key and returns the status.
func postAs(t *testing.T, key, url, body string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// A server that is told to stop says that it does, and when it has. A second signal
// ends it although its work is not done, with the code that a shell gives.
func TestStopping(t *testing.T) {
	t.Parallel()
	box, dir := sandboxed(t, "")
	p := begin(t, command(t, dir, "serve", "--config", "chatbell.yaml"))
	p.says(`"msg":"ready"`)
	p.signal(syscall.SIGHUP)
	p.says("SIGHUP changed nothing")
	p.signal(syscall.SIGTERM)
	p.exit(0)
	for _, line := range []string{`"msg":"stopping: no new work is taken`, `"cause":"stopped (terminated)"`, `"msg":"stopped"`} {
		if !strings.Contains(p.said.String(), line) {
			t.Errorf("it does not say %s:\n%s", line, p.said)
		}
	}

	if _, err := box.Fail(sandbox.Failure{Provider: sandbox.ProviderWebhook, Hang: true}); err != nil {
		t.Fatal(err)
	}
	p = begin(t, command(t, dir, "serve", "--config", "chatbell.yaml"))
	if status := postAs(t, acmeKey, p.api()+"/v1/events", `{"id": "1", "type": "a.b"}`); status != http.StatusAccepted {
		t.Fatalf("post: %d", status)
	}
	polltest.Until(t, "the call is in hand, until it is told to let go", func() bool {
		return len(box.Webhooks(sandbox.Query{Limit: 1})) > 0
	})
	p.signal(syscall.SIGINT)
	p.says("stopping: ")
	p.signal(syscall.SIGINT)
	p.exit(130)
	if !strings.Contains(p.said.String(), "ending at once") || strings.Contains(p.said.String(), `"msg":"stopped"`) {
		t.Errorf("it does not say that it ends at once:\n%s", p.said)
	}
}

// A stop that leaves work behind, which is neither done nor handed back, is a failure, and
// says what it left. Here the store does not take what the work has to write, because
// another program holds it.
func TestFailedDrain(t *testing.T) {
	t.Parallel()
	_, dir := sandboxed(t, "shutdown_timeout: 1s")
	var p *process
	for range 5 { // a stop that comes before the event is in hand is a good one
		p = begin(t, command(t, dir, "serve", "--config", "chatbell.yaml"))
		api, release := p.api(), holdStore(t, dir)
		if status := postAs(t, acmeKey, api+"/v1/events", `{"type": "channel.created", "channel": {"id": "c"}, "members": [{"id": "a"}]}`); status != http.StatusAccepted {
			t.Fatalf("post: %d", status)
		}
		p.signal(syscall.SIGTERM)
		polltest.Closed(t, "it ends", p.exited)
		release()
		if p.cmd.ProcessState.ExitCode() != 0 {
			break
		}
	}
	p.exit(exitFailed)
	if said := p.said.String(); !strings.Contains(said, `"well":false`) || !strings.Contains(said, "(messages: 1)\n") {
		t.Errorf("it says\n%s", said)
	}
}

// holdStore keeps a server's store from writing until it is released.
func holdStore(t *testing.T, dir string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "data", "chatbell.db")+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() { _ = db.Close() } // which undoes what was begun
}

// A server that is stopped while it starts has nothing in hand: that is no failure.
func TestStopAtTheStart(t *testing.T) {
	t.Parallel()
	_, dir := sandboxed(t, "")
	p := begin(t, command(t, dir, "serve", "--config", "chatbell.yaml", "--debug"))
	p.says(`{`) // the first line of its log
	p.signal(syscall.SIGTERM)
	p.exit(0)
}

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
