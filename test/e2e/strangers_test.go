package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatbell/internal/app/apptest"
	"chatbell/internal/polltest"
	"chatbell/internal/sandbox"
)

// metric reads one line of /metrics.
func metric(w *apptest.World, name string) float64 {
	w.T.Helper()
	_, text := w.Call("GET", "/metrics", nil)
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (.*)$`).FindStringSubmatch(text)
	if m == nil {
		w.T.Fatalf("/metrics has no %s", name)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		w.T.Fatal(err)
	}
	return v
}

// Strangers who hold more connections than the process may have descriptors keep nobody
// out who has a key, and take nothing from the broker, the store and the senders; when
// they have left, all is as before without a restart.
func TestStrangersHoldConnections(t *testing.T) {
	const files = 256
	t.Parallel()
	w := apptest.Start(t, apptest.Config{Process: true, Networks: acme(), Env: []string{apptest.FilesVariable + "=" + strconv.Itoa(files)}})
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Post(event{"id": "created", "type": "channel.created", "actor": event{"id": "alice"}, "channel": event{"id": "c", "name": "C"}, "members": []event{{"id": "alice"}, {"id": "bob"}}})
	sent := 0
	message := func() {
		sent++
		http.DefaultClient.CloseIdleConnections() // a new one has to find room
		id := fmt.Sprint(sent)
		w.Post(event{"id": id, "type": "message.created", "actor": event{"id": "alice"}, "channel": event{"id": "c"}, "message": event{"id": id, "type": "text", "text": "x"}})
	}
	var held []net.Conn
	for i := range 300 {
		c, err := net.Dial("tcp", w.API())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
		if _, err := io.WriteString(c, []string{"", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"}[i%3]); err != nil {
			t.Fatal(err)
		}
		if i%30 == 0 {
			message()
		}
	}
	message()
	if status, answer := w.Call("GET", "/readyz", nil); status != http.StatusOK || !strings.Contains(answer, `"degraded":[]`) {
		t.Errorf("/readyz while they hold them: %d %s", status, answer)
	}
	if open := metric(w, "process_open_fds"); open >= files {
		t.Errorf("%v descriptors are open", open)
	}
	if cut := metric(w, `chatbell_connections_cut_total{reason="for_others"}`); cut < 300-files/2 {
		t.Errorf("%v connections were closed for others", cut)
	}
	for _, c := range held {
		c.Close()
	}
	message()
	w.Eventually("every message is shown", func() bool { return len(w.Box.Notifications(sandbox.Query{})) == sent+1 })
	w.Answers("SELECT count(), uniqExact(delivery_id) FROM deliveries WHERE user_id = 'bob' AND outcome = 'accepted'", fmt.Sprintf("%d\t%d", sent+1, sent+1))
	w.Stop()
}

// While nothing can be written events are refused, /readyz says so, and a state call
// is told to come again.
func TestFullDiskIsSaid(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apptest.Config{Process: true, Networks: acme(), Env: []string{apptest.BytesVariable + "=" + strconv.Itoa(4<<20)}})
	// The engine would have the same bounds; it is not what this is about.
	config := regexp.MustCompile(`(?m)^clickhouse_.*\n`).ReplaceAllString(w.Configuration(), "")
	w.Configure("clickhouse: http://" + polltest.NobodyListens(t) + "/chatbell\n" + config)
	w.Start()
	text := strings.Repeat("x", 300<<10)
	n := 0
	post := func() int {
		n++
		status, answer := w.Call("POST", "/v1/events", event{"id": fmt.Sprint(n), "type": "own.event", "actor": event{"id": "a"}, "data": event{"text": text}})
		if status != http.StatusAccepted && status != http.StatusServiceUnavailable {
			t.Fatalf("post: %d %s", status, answer)
		}
		return status
	}
	w.Eventually("a post is refused", func() bool { return post() == http.StatusServiceUnavailable })
	for range 3 {
		if status, answer := w.Call("GET", "/readyz", nil); status != http.StatusServiceUnavailable {
			t.Errorf("/readyz: %d %s", status, answer)
		}
		if status := post(); status != http.StatusServiceUnavailable {
			t.Errorf("a post is %d again", status)
		}
	}
	var list strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&list, "{\"id\":\"user-%d\",\"name\":%q}\n", i, text[:300])
	}
	req, err := http.NewRequest(http.MethodPut, "http://"+w.API()+"/v1/channels/c/members", strings.NewReader(list.String()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apptest.Key)
	req.Header.Set("Content-Type", "application/x-ndjson")
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a list: %d %v %s", resp.StatusCode, resp.Header, body)
	}
	w.Kill()
}
