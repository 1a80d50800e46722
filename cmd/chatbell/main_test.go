package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asMain makes this test's binary be chatbell itself.
const asMain = "TEST_CHATBELL_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command is chatbell with arguments, in a folder of its own.
func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	library, err := filepath.Abs("../../.cache/engine/libchdb.so")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asMain+"=1", "CHATBELL_CLICKHOUSE_ENGINE="+library)
	return cmd
}

// Exit codes are 0 for done, 1 for failed and 2 for wrong use, and every failure says
// what to do.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte("lisen: x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"version", 0, "chatbell "},
		{"--help", 0, "serve"},
		{"serve --help", 0, "SIGTERM and SIGINT drain"},
		{"check-config", 0, "The configuration is good."},
		{"check-config --config DIR/bad.yaml", 1, `did you mean "listen"?`},
		{"check-config --config DIR/nowhere.yaml", 1, "nowhere.yaml"},
		{"serve --config DIR/bad.yaml", 1, "unknown key"},
		{"serve --listen nonsense", 1, "must be host:port"},
		{"--version", 0, "chatbell dev"},
		{"help serve", 0, "SIGTERM and SIGINT drain"},
		{"help completion bash", 0, "completion script for the bash shell"},
		{"surf", 2, `unknown command "surf"`},
		{"surf", 2, `Run "chatbell --help"`},
		{"serv", 2, `did you mean "serve"?`},
		{"doctor --help", 2, `unknown command "doctor"`},
		{"help doctor", 2, `unknown command "doctor"`},
		{"completion fsh", 2, `did you mean "fish"?`},
		{"completion fsh", 2, `Run "chatbell completion --help"`},
		{"serve --surf", 2, "--surf"},
		{"serve --surf", 2, `Run "chatbell serve --help" for its flags and examples.`},
		{"serve --lisen 127.0.0.1:1", 2, `did you mean "--listen"?`},
		{"serve -x", 2, "unknown shorthand flag"},
		{"check-config --cofnig x", 2, `did you mean "--config"?`},
		{"secret --bytes 3", 2, "unknown flag"},
		{"version now", 2, "takes no arguments"},
		{"sandbox --listen", 2, "--listen"},
		{"sandbox --app=", 2, "--app must not be empty"},
	} {
		var out bytes.Buffer
		code := run(t.Context(), strings.Fields(strings.ReplaceAll(c.args, "DIR", dir)), &out, &out)
		if code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("chatbell %s: code %d, want %d and %q:\n%s", c.args, code, c.code, c.says, &out)
		}
	}
	for args, want := range map[string]int{"version": 0, "check-config --config bad.yaml": exitFailed, "surf": exitWrongUse} {
		cmd := command(t, dir, strings.Fields(args)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want {
			t.Errorf("the process chatbell %s ends with %v, want code %d:\n%s", args, err, want, out)
		}
	}
}

// The README's configuration is a good one.
func TestReadmeConfiguration(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(readme), "```yaml\n")
	text, _, closed := strings.Cut(text, "```")
	if !ok || !closed {
		t.Fatal("the README has no configuration")
	}
	dir := t.TempDir()
	files := map[string]string{"chatbell.yaml": text, "AuthKey.p8": apnsKey(t), "fcm.json": serviceAccount(t)}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := command(t, dir, "check-config", "--config", "chatbell.yaml")
	cmd.Env = append(cmd.Env, "ACME_KEY=0123456789abcdef0123456789", "HOOK=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
