package sandbox_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"chatbell/internal/sandbox"
)

// Who opens the sandbox's address reads what there is, and what it says works.
func TestHelp(t *testing.T) {
	r := start(t, sandbox.Config{})
	status, text := page(t, r, "/")
	if status != http.StatusOK || !strings.Contains(text, "GET    /notifications") {
		t.Fatalf("GET / answers %d %s", status, text)
	}
	for _, line := range regexp.MustCompile(`(?m)^  GET +(/\S+)`).FindAllStringSubmatch(text, -1) {
		if line[1] == "/stream" { // which does not end
			continue
		}
		if status, answer := page(t, r, line[1]); status != http.StatusOK {
			t.Errorf("GET %s answers %d %s", line[1], status, answer)
		}
	}
	example := regexp.MustCompile(`curl (\S+) -d '([^']+)'`).FindStringSubmatch(text)
	if example == nil {
		t.Fatalf("no example in\n%s", text)
	}
	resp, err := r.client.Post(example[1], "application/x-www-form-urlencoded", strings.NewReader(example[2]))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated || len(r.Failures()) != 1 {
		t.Errorf("the example answers %s", resp.Status)
	}
	if status, text := page(t, r, "/nowhere"); status != http.StatusNotFound || !strings.Contains(text, "GET / tells") {
		t.Errorf("GET /nowhere answers %d %s", status, text)
	}
}

func page(t *testing.T, r *rig, path string) (int, string) {
	t.Helper()
	resp, err := r.client.Get(r.creds.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// A network's key is made once, long enough to be one, and for nobody else to read.
func TestNetworkKey(t *testing.T) {
	dir := t.TempDir()
	var keys [2]string
	for i := range keys {
		r := start(t, sandbox.Config{Dir: dir})
		path, err := r.NetworkKey("acme")
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key's file is %v %v", info.Mode(), err)
		}
		keys[i] = string(data)
	}
	if keys[0] != keys[1] || len(keys[0]) < 32 {
		t.Errorf("the keys are %q", keys)
	}
}

// A port that is taken is told with what to do.
func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = sandbox.Start(t.Context(), sandbox.Config{Listen: l.Addr().String(), Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "another program listens on "+l.Addr().String()+": stop it, or") {
		t.Errorf("the error is %v", err)
	}
}
