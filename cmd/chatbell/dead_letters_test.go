package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// letters is a server with dead letters, which tells them two at a time.
type letters struct {
	mu  sync.Mutex
	ids []string
	did []string
}

func (l *letters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/dead-letters/"), "/")
	switch {
	case r.Header.Get("Authorization") != "Bearer the-key" || r.URL.Query().Get("network") != "acme":
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"status":401,"title":"Unauthorized","detail":"the key is not known"}`)
	case r.Method == http.MethodGet:
		from := 0
		fmt.Sscan(r.URL.Query().Get("cursor"), &from)
		page := map[string]any{}
		var items []map[string]any
		for i := from; i < min(from+2, len(l.ids)); i++ {
			items = append(items, map[string]any{"id": l.ids[i], "kind": "event", "reason": "bad\x1b[2Jtemplate", "tries": 20, "at": "2026-11-20T10:00:00Z", "event_id": "e" + l.ids[i], "payload": map[string]any{"id": "e"}})
		}
		page["items"] = items
		if from+2 < len(l.ids) {
			page["next_cursor"] = fmt.Sprint(from + 2)
		}
		_ = json.NewEncoder(w).Encode(page)
	case slices.Contains(l.ids, id):
		l.did = append(l.did, r.Method+" "+r.URL.Path)
		w.WriteHeader(http.StatusAccepted)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"status":404,"title":"Not Found","detail":"there is no such object in this network"}`)
	}
}

// Dead letters are listed for a person and for a program, and worked through one by one or
// all together.
func TestDeadLetters(t *testing.T) {
	made := &letters{ids: []string{"3", "5", "9"}}
	server := httptest.NewServer(made)
	defer server.Close()
	t.Setenv("CHATBELL_SERVER", server.URL)
	t.Setenv("CHATBELL_KEY", "the-key")
	for _, x := range []struct {
		args string
		code int
		says string
	}{
		{"list --network acme", 0, `9   2026-11-20 10:00:00  event  "e9"`},
		{"list --network acme", 0, `"bad\x1b[2Jtemplate"`},
		{"list --network acme --limit 2", 0, "There are more"},
		{"list --network acme --output json", 0, `"payload": {`},
		{"list", 1, "401 Unauthorized: the key is not known"},
		{"list --network acme --server http://127.0.0.1:1", 1, "is a server running there?"},
		{"list --network acme --server nonsense", 2, "--server must be an address"},
		{"list --network acme --output xml", 2, "--output must be"},
		{"replay --network acme", 2, "give ids, or --all"},
		{"replay 3 --all --network acme", 2, "give ids, or --all"},
		{"replay 5 --network acme", 0, "1 replayed"},
		{"replay 7 --network acme", 1, "dead letter 7, after 0 were replayed: the server says 404"},
		{"delete --all --network acme --output json", 0, `"deleted": 3`},
		{"replya", 2, `did you mean "replay"?`},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), strings.Fields("dead-letters "+x.args), &out, &out); code != x.code || !strings.Contains(out.String(), x.says) {
			t.Errorf("dead-letters %s: code %d, want %d and %q:\n%s", x.args, code, x.code, x.says, &out)
		}
	}
	want := []string{"POST /v1/dead-letters/5/replay", "DELETE /v1/dead-letters/3", "DELETE /v1/dead-letters/5", "DELETE /v1/dead-letters/9"}
	if !slices.Equal(made.did, want) {
		t.Errorf("the server was asked for %q", made.did)
	}
	t.Setenv("CHATBELL_KEY", "")
	var out bytes.Buffer
	if code := run(t.Context(), []string{"dead-letters", "list"}, &out, &out); code != exitWrongUse || !strings.Contains(out.String(), "a key is needed") {
		t.Errorf("without a key: %d %s", code, &out)
	}
}
