package command_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"chatbell/internal/polltest"
)

// A first start that is killed after it has made its key and its password loses neither:
// the next one shows both, once it is ready. The one after says what to do when they are
// lost; and doing that works, and takes the first key back.
func TestFirstStartKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func(args ...string) *process {
		cmd := command(t, dir, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
		cmd.Env = append(cmd.Env, "CHATBELL_CLICKHOUSE_LISTEN=127.0.0.1:0")
		return begin(t, cmd)
	}
	p := start()
	polltest.Until(t, "a secret is made", func() bool {
		_, err := os.Stat(filepath.Join(dir, "data", "unshown.json"))
		return err == nil
	})

	p.signal(syscall.SIGKILL)
	p.exit(-1)
	if secrets := indented.FindAllString(p.said.String(), -1); len(secrets) > 0 {
		t.Fatalf("it was ready already:\n%s", p.said)
	}

	p = start()
	p.says("To replace it set clickhouse_password")
	said := p.said.String()
	secrets := indented.FindAllStringSubmatch(said, -1)
	if len(secrets) != 2 || !strings.Contains(said, `Made the network "default"`) {
		t.Fatalf("it shows %d secrets:\n%s", len(secrets), said)
	}
	if ready, made := strings.Index(said, `"msg":"ready"`), strings.Index(said, "Made "); ready > made {
		t.Errorf("it shows secrets before it is ready:\n%s", said)
	}
	first := secrets[0][1]
	if status := postAs(t, first, p.api()+"/v1/events", `{"type": "a.b"}`); status != http.StatusAccepted {
		t.Errorf("the key that it shows gets status %d", status)
	}
	p.signal(syscall.SIGTERM)
	p.exit(0)

	const second = "another-key-0123456789-0123456789"
	p = start()
	p.says("when_lost_replace")
	p.signal(syscall.SIGTERM)
	p.exit(0)
	if said := p.said.String(); len(indented.FindAllString(said, -1)) > 0 || strings.Contains(said, first) {
		t.Errorf("it shows secrets again:\n%s", said)
	}
	file := filepath.Join(dir, "chatbell.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "networks: [{id: default, keys: [{id: backend, secret: %s}]}]\n", second), 0o600); err != nil {
		t.Fatal(err)
	}
	p = start("--config", file)
	events := p.api() + "/v1/events"
	if status := postAs(t, second, events, `{"type": "a.b"}`); status != http.StatusAccepted {
		t.Errorf("the file's key gets status %d", status)
	}
	if status := postAs(t, first, events, `{"type": "a.b"}`); status != http.StatusUnauthorized {
		t.Errorf("the key that it replaces gets status %d", status)
	}
	p.signal(syscall.SIGTERM)
	p.exit(0)
}

// A port that is taken is told with what to do, once.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	l := listenSomewhere(t)
	for _, c := range []struct{ command, clickhouse, want string }{
		{"serve --listen " + l, "127.0.0.1:0", "listen on " + l + ": another program uses that port: stop it, or set listen (--listen) to a free one"},
		{"serve --listen 127.0.0.1:0", l, "listen for ClickHouse on " + l + ": another program uses that port: stop it, or set clickhouse_listen to a free one"},
		{"sandbox --listen " + l, "", "sandbox: another program listens on " + l + ": stop it, or start the sandbox at another address (--listen), where three ports in a row are free"},
	} {
		cmd := command(t, t.TempDir(), strings.Fields(c.command)...)
		if c.clickhouse != "" {
			cmd.Env = append(cmd.Env, "CHATBELL_CLICKHOUSE_LISTEN="+c.clickhouse)
		}
		p := begin(t, cmd)
		p.exit(exitFailed)
		var said []string // but the log
		for line := range strings.Lines(p.said.String()) {
			if !strings.HasPrefix(line, "{") {
				said = append(said, line)
			}
		}
		if want := "chatbell: " + c.want + "\n"; strings.Join(said, "") != want {
			t.Errorf("%s says %q, want %q", c.command, said, want)
		}
	}
}

// What is odd in the configuration, and no mistake, is in the log of the server, too.
func TestOddConfigurationIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "clickhouse: http://127.0.0.1:8123/chatbell\nclickhouse_listen: 127.0.0.1:0\n"
	if err := os.WriteFile(filepath.Join(dir, "chatbell.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := begin(t, command(t, dir, "serve", "--config", "chatbell.yaml", "--listen", listenSomewhere(t)))
	p.exit(exitFailed) // the port is taken: it says it before
	want := `"level":"WARN","msg":"odd configuration","problem":"chatbell.yaml:2: clickhouse_listen: has no effect, because clickhouse is not embedded; remove the key"`
	if !strings.Contains(p.said.String(), want) {
		t.Errorf("it says\n%s", p.said)
	}
}
