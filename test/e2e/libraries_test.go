package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"sync"
	"testing"

	"chatbell"
	"chatbell/internal/app/apptest"
	"chatbell/internal/nodetest"
	"chatbell/internal/sandbox"
)

// receiver is a customer's endpoint that keeps what it gets, byte for byte.
type receiver struct {
	mu    sync.Mutex
	calls []received
}

type received struct {
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the caller went away
	}
	call := received{Headers: map[string]string{}, Body: body}
	for name := range q.Header {
		call.Headers[name] = q.Header.Get(name)
	}
	r.mu.Lock()
	r.calls = append(r.calls, call)
	r.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.calls...)
}

// checked is what a library says of a call.
type checked struct {
	Library string
	// Verdict is "ok" or the library's error; the others are for a body of which a byte
	// was changed, for another time, and for another secret.
	Verdict, Changed, Later, Wrong string
	Payload                        struct {
		EventType string
		Data      struct{ Title, Body string }
	}
}

const hookSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs="

// TestCustomersLibraries checks the calls of a real server with the npm packages that
// customers check them with, texts of every kind in them: each is verified, and none
// that somebody has changed.
func TestCustomersLibraries(t *testing.T) {
	t.Parallel()
	customer := &receiver{}
	endpoint := httptest.NewServer(customer)
	t.Cleanup(endpoint.Close)
	w := apptest.New(t, apptest.Config{Networks: []sandbox.Network{{ID: "acme", Key: apptest.Key, Delivery: chatbell.DeliverWebhook, NoWebhook: true}}})
	w.Configure(w.Configuration() + fmt.Sprintf("    webhooks:\n      - {id: main, url: %q, secret: %q, events: [\"*\"], signature: [standard, amity]}\n", endpoint.URL+"/hook", hookSecret))
	w.Start()
	texts := []string{"Hi all", "Grüße an Zoë und Jürgen ß", "👋🏽 👩‍👩‍👧 🇩🇪", "one\u2028two\u2029three", "<b>&amp;</b> \"quoted\" \\ /", "مرحبا שלום 千代", "line\nfeed\ttab"}
	w.Post(event{"id": "made", "type": "channel.created", "actor": event{"id": "zoë", "name": "Zoë 👋"}, "channel": event{"id": "straße", "name": "Straße"},
		"members": []event{{"id": "zoë"}, {"id": "jürgen"}}})
	for i, text := range texts {
		w.Post(event{"id": fmt.Sprint("text-", i), "type": "message.created", "actor": event{"id": "zoë", "name": "Zoë 👋"}, "channel": event{"id": "straße"},
			"message": event{"id": fmt.Sprint("m", i), "type": "text", "text": text}})
	}
	calls := 2 * (1 + len(texts)) // the event itself, and the notification
	w.Eventually("every call was made", func() bool { return len(customer.all()) == calls })

	input, err := json.Marshal(map[string]any{"secret": hookSecret, "calls": customer.all()})
	if err != nil {
		t.Fatal(err)
	}
	var said [][]checked
	if err := json.Unmarshal(nodetest.Run(t, "testdata/webhooks.cjs", input), &said); err != nil || len(said) != calls {
		t.Fatalf("%d of %d calls were looked at: %v", len(said), calls, err)
	}
	shown := map[string]bool{}
	for i, libraries := range said {
		if len(libraries) != 3 {
			t.Errorf("%d libraries looked at the call", len(libraries))
		}
		for _, l := range libraries {
			if l.Verdict != "ok" || l.Changed == "ok" || l.Later == "ok" || l.Wrong == "ok" {
				t.Errorf("%s says %+v of %s", l.Library, l, customer.all()[i].Body)
			}
			shown[l.Payload.Data.Body] = true
		}
	}
	for _, text := range texts {
		if !shown[text] {
			t.Errorf("no library has read %q", text)
		}
	}
	describesItself(w)
	w.Stop()
}

// describesItself checks that the process says of itself what docs/openapi.json says,
// which is linted: it differs in the version only.
func describesItself(w *apptest.World) {
	w.T.Helper()
	var process, published map[string]any
	status, answer := w.Call(http.MethodGet, "/openapi.json", nil)
	data, err := os.ReadFile("../../docs/openapi.json")
	if err != nil {
		w.T.Fatal(err)
	}
	if err := json.Unmarshal([]byte(answer), &process); err != nil || status != http.StatusOK {
		w.T.Fatalf("%d: %v", status, err)
	}
	if err := json.Unmarshal(data, &published); err != nil {
		w.T.Fatal(err)
	}
	for _, d := range []map[string]any{process, published} {
		if info, ok := d["info"].(map[string]any); ok {
			delete(info, "version")
		}
	}
	if !reflect.DeepEqual(process, published) {
		w.T.Error("the server describes itself otherwise than docs/openapi.json does")
	}
}
