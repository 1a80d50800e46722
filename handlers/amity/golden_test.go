package amity_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// The files of testdata are recorded conversations in Amity's documented forms: requests
// as its SDKs, its console and its webhooks send them, and what is answered. Write the
// answers anew with -update, and read them as if somebody else had written them.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := start(t)
			for i := 0; i+1 < len(archive.Files); i += 2 {
				request, response := &archive.Files[i], &archive.Files[i+1]
				if request.Name != "request" || response.Name != "response" {
					t.Fatalf("a %s and a %s stand where a request and its response should", request.Name, response.Name)
				}
				got := record(r.recorded(request.Data))
				if *update {
					response.Data = []byte(got)
				}
				if got != string(response.Data) {
					t.Errorf("%s\nis answered with\n%s\nrecorded is\n%s", request.Data, got, response.Data)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// recorded sends a request as it is written: the method and path, headers, an empty line,
// the body. Three headers say who sends it: "As: user" (a session of hers), "As: console"
// (with a server key), "As: webhook" (signed); without one it is an app, with its API key.
func (r *rig) recorded(data []byte) answer {
	r.t.Helper()
	head, body, _ := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	text := strings.TrimSuffix(string(body), "\n")
	header := []string{"X-API-Key", clientKey}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case name == "As" && value == "console":
			header = []string{"Authorization", "Bearer " + serverKey}
		case name == "As" && value == "webhook":
			header = []string{"X-Amity-Signature", base64.StdEncoding.EncodeToString(sum(hookSecret, text))}
		case name == "As":
			header = []string{"Authorization", "Bearer " + token(r.t, value)}
		case name != "":
			header = append(header, name, value)
		}
	}
	return r.call(method, strings.TrimSpace(path), text, header...)
}

func record(a answer) string {
	var body bytes.Buffer
	if err := json.Indent(&body, []byte(a.body), "", "  "); err != nil {
		body.WriteString(a.body)
	}
	return fmt.Sprintf("%d\n%s\n", a.status, body.String())
}
