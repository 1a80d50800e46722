package command_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
