package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbell/internal/sandbox"
)

// These bound what the server's process may open, and how long a file may become: for
// its writes that is a full disk.
const (
	filesVariable = "TEST_CHATBELL_FILES"
	bytesVariable = "TEST_CHATBELL_FILE_BYTES"
)

func limits() error {
	for variable, resource := range map[string]int{filesVariable: syscall.RLIMIT_NOFILE, bytesVariable: syscall.RLIMIT_FSIZE} {
		n, err := bound(variable)
		if err != nil {
			return err
		}
		if n > 0 {
			signal.Ignore(syscall.SIGXFSZ) // the write fails, too
			if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: uint64(n), Max: uint64(n)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// metric reads one line of /metrics.
func (w *world) metric(name string) float64 {
	w.t.Helper()
	_, text := w.call("GET", "/metrics", nil)
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (.*)$`).FindStringSubmatch(text)
	if m == nil {
		w.t.Fatalf("/metrics has no %s", name)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// Strangers who hold more connections than the process may have descriptors keep nobody
// out who has a key, and take nothing from the broker, the store and the senders; when
// they have left, all is as before without a restart.
func TestStrangersHoldConnections(t *testing.T) {
	const files = 256
	t.Setenv(filesVariable, strconv.Itoa(files))
	w := newWorld(t, sandbox.Config{}, "", sandbox.Network{ID: "acme", Key: key})
	w.start()
	w.device("bob", "apns", hex(1), "en")
	w.post(m{"id": "created", "type": "channel.created", "actor": m{"id": "alice"}, "channel": m{"id": "c", "name": "C"}, "members": []m{{"id": "alice"}, {"id": "bob"}}})
	sent := 0
	message := func() {
		sent++
		http.DefaultClient.CloseIdleConnections() // a new one has to find room
		id := fmt.Sprint(sent)
		w.post(m{"id": id, "type": "message.created", "actor": m{"id": "alice"}, "channel": m{"id": "c"}, "message": m{"id": id, "type": "text", "text": "x"}})
	}
	var held []net.Conn
	for i := range 300 {
		c, err := net.Dial("tcp", w.api)
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
	if status, answer := w.call("GET", "/readyz", nil); status != http.StatusOK || !strings.Contains(answer, `"degraded":[]`) {
		t.Errorf("/readyz while they hold them: %d %s", status, answer)
	}
	if open := w.metric("process_open_fds"); open >= files {
		t.Errorf("%v descriptors are open", open)
	}
	if cut := w.metric(`chatbell_connections_cut_total{reason="for_others"}`); cut < 300-files/2 {
		t.Errorf("%v connections were closed for others", cut)
	}
	for _, c := range held {
		c.Close()
	}
	message()
	w.eventually("every message is shown", func() bool { return len(w.box.Notifications(sandbox.Query{})) == sent+1 })
	w.answers("SELECT count(), uniqExact(delivery_id) FROM chatbell.deliveries WHERE user_id = 'bob' AND outcome = 'accepted'", fmt.Sprintf("%d\t%d", sent+1, sent+1))
	w.stop()
}

// Two lengths in one request are refused by the running server, too.
func TestSmuggling(t *testing.T) {
	w := newWorld(t, sandbox.Config{}, "", sandbox.Network{ID: "acme", Key: key})
	w.start()
	c, err := net.Dial("tcp", w.api)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", key); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "Transfer-Encoding") {
		t.Errorf("%d %s, %v", resp.StatusCode, body, err)
	}
	if _, err := http.ReadResponse(in, nil); err == nil {
		t.Error("what was smuggled was answered")
	}
	w.stop()
}

// While nothing can be written events are refused, /readyz says so, and a state call
// is told to come again.
func TestFullDiskIsSaid(t *testing.T) {
	t.Setenv(bytesVariable, strconv.Itoa(4<<20))
	w := newWorld(t, sandbox.Config{}, "", sandbox.Network{ID: "acme", Key: key})
	config, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	// The engine would have the same bounds; it is not what this is about.
	if err := os.WriteFile(w.config(), append([]byte("clickhouse: http://"+free(t)+"/chatbell\n"), config...), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	text := strings.Repeat("x", 300<<10)
	n := 0
	post := func() int {
		n++
		status, answer := w.call("POST", "/v1/events", m{"id": fmt.Sprint(n), "type": "own.event", "actor": m{"id": "a"}, "data": m{"text": text}})
		if status != http.StatusAccepted && status != http.StatusServiceUnavailable {
			t.Fatalf("post: %d %s", status, answer)
		}
		return status
	}
	w.eventually("a post is refused", func() bool { return post() == http.StatusServiceUnavailable })
	for range 3 {
		if status, answer := w.call("GET", "/readyz", nil); status != http.StatusServiceUnavailable {
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
	req, err := http.NewRequest(http.MethodPut, "http://"+w.api+"/v1/channels/c/members", strings.NewReader(list.String()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
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
	if err := w.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-w.exited
}
