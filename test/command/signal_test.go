package command_test

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "modernc.org/sqlite" // opens a server's store

	"chatbell/internal/polltest"
	"chatbell/internal/sandbox"
)

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
