package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checkConfig runs the command in a folder of its own, with a configuration.
func checkConfig(t *testing.T, text string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"chatbell.yaml": text, "AuthKey.p8": apnsKey(t), "fcm.json": serviceAccount(t)}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	cmd := command(t, dir, append([]string{"check-config"}, args...)...)
	cmd.Env = append(cmd.Env, "ACME_KEY=0123456789abcdef0123456789", "HOOK=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

const checkedConfig = `networks:
  - id: acme
    keys: [{id: backend, secret: env:ACME_KEY}]
    apns: [{bundle_id: com.acme.chat, key_file: AuthKey.p8, key_id: K1, team_id: T1}]
    fcm: [{app: com.acme.chat, credentials_file: fcm.json}]
    webhooks: [{id: main, url: https://hooks.acme.example/chatbell, secret: env:HOOK}]
`

// What check-config prints is a configuration again: its verdict is not in it.
func TestCheckConfigCanBeReadBack(t *testing.T) {
	t.Parallel()
	printed, verdict, err := checkConfig(t, checkedConfig, "--config", "chatbell.yaml")
	if err != nil || verdict != "The configuration is good.\n" {
		t.Fatalf("%v: %s", err, verdict)
	}
	again, verdict, err := checkConfig(t, printed, "--config", "chatbell.yaml")
	if err != nil || again != printed {
		t.Errorf("read back it is another: %v %s\n%s\nthen\n%s", err, verdict, printed, again)
	}
	if example, _, err := checkConfig(t, "", "--example"); err != nil || !strings.Contains(example, "#shutdown_timeout: 30s\n") {
		t.Errorf("the example is %v\n%s", err, example)
	}
}

// Programs get the verdict, the problems and the configuration as JSON.
func TestCheckConfigForPrograms(t *testing.T) {
	t.Parallel()
	var answer struct {
		Good     bool
		Problems []struct {
			Key, File, Value, Detail, Mend string
			Line                           int
		}
		Warnings      []any
		Configuration map[string]any
	}
	out, stderr, err := checkConfig(t, checkedConfig, "--config", "chatbell.yaml", "--output", "json")
	if err != nil || stderr != "" {
		t.Errorf("%v: %s", err, stderr)
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || !answer.Good || len(answer.Problems) != 0 || answer.Configuration["listen"] != "127.0.0.1:8080" {
		t.Errorf("%v\n%s", err, out)
	}
	out, stderr, err = checkConfig(t, "data: x\nshutdown_timeout: 30\n", "--config", "chatbell.yaml", "--output", "json")
	if err == nil || err.Error() != "exit status 1" || !strings.Contains(stderr, "1 problem") {
		t.Errorf("%v: %s", err, stderr)
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Good || len(answer.Problems) != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	p := answer.Problems[0]
	if p.Key != "shutdown_timeout" || p.File != "chatbell.yaml" || p.Line != 2 || p.Value != "30" || p.Detail != "must be a duration with a unit" || !strings.HasPrefix(p.Mend, "write 30s") {
		t.Errorf("got %+v", p)
	}
	if _, stderr, err := checkConfig(t, "", "--output", "xml"); err == nil || err.Error() != "exit status 2" || !strings.Contains(stderr, `must be yaml or json, not "xml"`) {
		t.Errorf("%v: %s", err, stderr)
	}
}
