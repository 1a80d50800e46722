package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"chatbell/internal/sandbox"
)

// The trace that a request belongs to reaches the provider; a new span is ours.
func TestTraceReachesProvider(t *testing.T) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	w := newWorld(t, sandbox.Config{}, "", sandbox.Network{ID: "acme", Key: key})
	w.start()
	w.device("bob", "apns", hex(1), "en")
	w.device("carol", "fcm", "token-carol", "en")
	req, err := http.NewRequest(http.MethodPost, "http://"+w.api+"/v1/events", strings.NewReader(
		`{"id":"1","type":"channel.created","actor":{"id":"alice","name":"Alice"},"channel":{"id":"c","name":"C"},"members":[{"id":"bob"},{"id":"carol"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	w.eventually("both are told", func() bool { return len(w.box.Notifications(sandbox.Query{})) == 2 })
	for _, n := range w.box.Notifications(sandbox.Query{}) {
		if !strings.HasPrefix(n.TraceParent, "00-"+trace+"-") {
			t.Errorf("%s got the trace %q", n.Provider, n.TraceParent)
		}
	}
	w.stop()
}

// The language is the device's, else the user's, else the network's; a language that
// nobody speaks falls back step by step.
func TestLanguages(t *testing.T) {
	w := newWorld(t, sandbox.Config{}, "", sandbox.Network{ID: "acme", Key: key, DefaultLocale: "es"})
	w.start()
	for i, x := range []struct{ user, userLocale, deviceLocale, want string }{
		{"device", "de", "fr", "Dave a rejoint C"},
		{"user", "de", "", "Dave ist C beigetreten"},
		{"network", "", "", "Dave se ha unido a C"},
		{"region", "", "de-AT", "Dave ist C beigetreten"},
		{"unknown", "", "tlh", "Dave se ha unido a C"},
		{"arabic", "", "ar", "Dave"},
	} {
		if status, answer := w.call("PUT", "/v1/users/"+x.user, m{"locale": x.userLocale}); status >= 300 {
			t.Fatalf("%d %s", status, answer)
		}
		w.device(x.user, "apns", hex(i), x.deviceLocale)
		if status, answer := w.call("PUT", "/v1/channels/c/members/"+x.user, m{}); status >= 300 {
			t.Fatalf("%d %s", status, answer)
		}
		w.post(m{"id": fmt.Sprint(i), "type": "channel.joined", "channel": m{"id": "c", "name": "C"}, "actor": m{"id": "dave", "name": "Dave"}, "members": []m{{"id": "dave", "name": "Dave"}}})
		w.eventually(x.user+" is told", func() bool { return len(w.box.Notifications(sandbox.Query{Target: hex(i)})) > 0 })
		got := w.box.Notifications(sandbox.Query{Target: hex(i)})[0]
		if x.user == "arabic" {
			if got.Body == "Dave has joined C" || !strings.Contains(got.Body, "\u2068Dave\u2069") || got.Title != "Dave" {
				t.Errorf("Arabic: %q, %q", got.Title, got.Body)
			}
		} else if got.Body != x.want {
			t.Errorf("%s: %q, want %q", x.user, got.Body, x.want)
		}
	}
	w.stop()
}

// When the backlog is full nothing of a request is stored, and the answer says when to
// come again; when there is room again events are taken.
func TestBacklogFull(t *testing.T) {
	t.Setenv(backlogVariable, "5")
	w := newWorld(t, sandbox.Config{}, "", sandbox.Network{ID: "acme", Key: key})
	if _, err := w.box.Fail(sandbox.Failure{Provider: sandbox.ProviderAPNs, Hang: true}); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.device("bob", "apns", hex(1), "en")
	w.post(m{"id": "created", "type": "channel.created", "channel": m{"id": "c", "name": "C"}, "members": []m{{"id": "bob"}}})
	message := func(i int) m {
		return m{"id": fmt.Sprint(i), "type": "message.created", "channel": m{"id": "c"}, "message": m{"id": fmt.Sprint(i), "type": "text", "text": "x"}}
	}
	full := 0
	w.eventually("full", func() bool {
		status, answer := w.call("POST", "/v1/events", []m{message(full)})
		switch status {
		case http.StatusAccepted:
			full++
			return false
		case http.StatusTooManyRequests:
			if !strings.Contains(answer, "backlog") {
				t.Errorf("the answer is %s", answer)
			}
			return true
		default:
			t.Fatalf("status %d: %s", status, answer)
			return true
		}
	})
	if full != 4 {
		t.Errorf("%d events were taken besides the first, want 4", full)
	}
	status, _ := w.call("POST", "/v1/events", []m{message(100), message(101)})
	if status != http.StatusTooManyRequests {
		t.Errorf("two more: status %d", status)
	}
	w.box.ClearFailures()
	w.stop() // what hangs is handed back; the next process sends it
	w.start()
	w.eventually("room again", func() bool {
		status, _, err := w.try("POST", "/v1/events", []m{message(full)})
		return err == nil && status == http.StatusAccepted
	})
	w.eventually("all are told", func() bool { return len(w.box.Notifications(sandbox.Query{})) >= full+2 })
	if got := w.query("SELECT count() FROM chatbell.events WHERE event_id IN ('100', '101')"); got != "0" {
		t.Errorf("%s events of a refused request were stored", got)
	}
	w.stop()
}
