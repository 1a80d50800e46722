package command_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"chatbell/internal/polltest"
)

// "chatbell sandbox > sandbox.yaml" and "chatbell serve --config sandbox.yaml" are all that
// it takes: the file is a configuration, also after a push to a phone of the app that was
// asked for, which the sandbox shows on the other stream.
func TestSandboxAndServe(t *testing.T) {
	t.Parallel()
	const app = "com.example.chat"
	dir := t.TempDir()
	file := filepath.Join(dir, "sandbox.yaml")
	yaml, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer yaml.Close()
	cmd := command(t, dir, "sandbox", "--listen", "127.0.0.1:0", "--app", app)
	cmd.Stdout = yaml
	box := begin(t, cmd)
	var printed string
	polltest.Until(t, "the configuration is printed", func() bool {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		printed = string(data)
		return printed != ""
	})
	cmd = command(t, dir, "serve", "--config", "sandbox.yaml", "--listen", "127.0.0.1:0")
	cmd.Env = append(cmd.Env, "CHATBELL_CLICKHOUSE_LISTEN=127.0.0.1:0")
	server := begin(t, cmd)
	key, err := os.ReadFile(filepath.Join(dir, "sandbox", "acme.key"))
	if err != nil {
		t.Fatal(err)
	}
	post := func(path, body string, want int) {
		t.Helper()
		if status := postAs(t, strings.TrimSpace(string(key)), server.api()+path, body); status != want {
			t.Errorf("%s: status %d, want %d", path, status, want)
		}
	}
	post("/v1/devices", `{"device_id": "p", "user": "bob", "provider": "apns", "app": "`+app+`", "token": "00ab11cd"}`, http.StatusOK)
	post("/v1/events", `{"type": "channel.created", "actor": {"id": "alice"}, "channel": {"id": "c", "name": "General"}, "members": [{"id": "bob"}]}`, http.StatusAccepted)
	box.says("(" + app + ")\n")
	for _, p := range []*process{server, box} {
		p.signal(syscall.SIGTERM)
		p.exit(0)
	}
	if now, err := os.ReadFile(file); err != nil || string(now) != printed || !strings.Contains(printed, `bundle_id: "`+app+`"`) {
		t.Errorf("after the push the configuration is %v\n%s\nbefore it was\n%s", err, now, printed)
	}
}
