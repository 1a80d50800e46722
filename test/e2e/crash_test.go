package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"chatbell/internal/sandbox"
)

// TestKilledInTheMiddle posts 1,000 events to a channel of 50 while the server is
// killed and started again: no accepted event is lost, and every person has exactly
// one row for each.
func TestKilledInTheMiddle(t *testing.T) {
	const events, members, kills = 1000, 50, 3
	w := newWorld(t, sandbox.Config{CountOnly: true, CountIDs: true}, "", sandbox.Network{ID: "acme", Key: key})
	w.start()
	var list []m
	for i := range members {
		id := fmt.Sprintf("u%02d", i)
		w.device(id, "apns", hex(i+1), "en")
		list = append(list, m{"id": id})
	}
	w.post(m{"id": "created", "type": "channel.created", "channel": m{"id": "c", "name": "C"}, "members": list})
	killed := 0
	for i := 0; i < events; {
		batch := make([]m, 0, 10)
		for j := range 10 {
			n := i + j
			batch = append(batch, m{"id": fmt.Sprint("e", n), "type": "message.created", "actor": m{"id": fmt.Sprintf("u%02d", n%members)},
				"channel": m{"id": "c"}, "message": m{"id": fmt.Sprint("m", n), "type": "text", "text": "hello"}})
		}
		status, _, err := w.try("POST", "/v1/events", batch)
		switch {
		case err == nil && status == http.StatusAccepted:
			i += 10
		case err == nil && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable:
			t.Fatalf("post: status %d", status)
		}
		if killed < kills && i >= (killed+1)*events/(kills+1) {
			killed++
			if err := w.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-w.exited
			w.start()
		}
	}
	total := fmt.Sprint((events + 1) * members)
	w.answers("SELECT count() FROM chatbell.deliveries", total)
	for sql, want := range map[string]string{
		"SELECT uniqExact(delivery_id) FROM chatbell.deliveries":                                                     total,
		"SELECT count() FROM chatbell.events":                                                                        fmt.Sprint(events + 1),
		"SELECT count() FROM chatbell.deliveries WHERE outcome = 'accepted'":                                         fmt.Sprint(events*(members-1) + members),
		"SELECT count() FROM chatbell.deliveries WHERE reason = 'self'":                                              fmt.Sprint(events),
		"SELECT sum(deliveries) FROM chatbell.deliveries_hourly":                                                     total,
		"SELECT count() FROM (SELECT event_id, count() AS n FROM chatbell.deliveries GROUP BY event_id) WHERE n!=50": "0",
	} {
		w.answers(sql, want)
	}
	ids := w.box.Stats().IDs
	// The network's webhook gets each event itself, too.
	if want := int64(events*(members-1) + members + events + 1); ids.Unique != want {
		t.Errorf("%d different notifications and calls arrived, want %d", ids.Unique, want)
	}
	t.Logf("%d kills; %d of %d arrivals were repeated with the same collapse id", killed, ids.Repeats, ids.Unique)
	w.stop()
}

// The engine dies in the middle, as if for lack of memory: it is started again, and the
// results that waited arrive, each once.
func TestEngineKilled(t *testing.T) {
	w := newWorld(t, sandbox.Config{CountOnly: true}, "", sandbox.Network{ID: "acme", Key: key})
	w.start()
	w.device("bob", "apns", hex(1), "en")
	w.post(m{"id": "created", "type": "channel.created", "channel": m{"id": "c", "name": "C"}, "members": []m{{"id": "bob"}}})
	const events = 60
	for i := range events {
		if i%20 == 10 {
			w.eventually("the engine answers", func() bool { return w.query("SELECT 1") == "1" })
			w.killEngine()
		}
		w.post(m{"id": fmt.Sprint("e", i), "type": "message.created", "channel": m{"id": "c"}, "message": m{"id": fmt.Sprint("m", i), "type": "text", "text": "x"}})
	}
	total := fmt.Sprint(events + 1)
	w.answers("SELECT count() FROM chatbell.deliveries", total)
	for _, sql := range []string{"SELECT uniqExact(delivery_id) FROM chatbell.deliveries", "SELECT sum(deliveries) FROM chatbell.deliveries_hourly"} {
		w.answers(sql, total)
	}
	w.stop()
}

// killEngine kills the server's child.
func (w *world) killEngine() {
	w.t.Helper()
	pid := w.cmd.Process.Pid
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	children := strings.Fields(string(data))
	for task := range tasks(pid) { // whichever thread started it
		if more, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task)); err == nil {
			children = append(children, strings.Fields(string(more))...)
		}
	}
	if len(children) == 0 {
		w.t.Fatalf("the server has no child: %v", err)
	}
	var child int
	if _, err := fmt.Sscan(children[0], &child); err != nil {
		w.t.Fatal(err)
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
}

func tasks(pid int) map[string]bool {
	out := map[string]bool{}
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return out
	}
	for _, e := range list {
		out[e.Name()] = true
	}
	return out
}

// A killed server leaves no engine behind, and the next start does not stumble over
// the last one's files.
func TestNoOrphans(t *testing.T) {
	w := newWorld(t, sandbox.Config{CountOnly: true}, "", sandbox.Network{ID: "acme", Key: key})
	for range 3 {
		w.start()
		if err := w.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-w.exited
	}
	w.start()
	w.eventually("the engine answers", func() bool { return w.query("SELECT 1") == "1" })
	w.stop()
	w.eventually("nobody listens", func() bool {
		_, err := http.Get("http://" + w.clickhouse + "/ping")
		return err != nil
	})
}

// The broker's folder is lost, and the rest is kept: what comes from now on is
// recorded, although the numbers start again.
func TestBrokerLost(t *testing.T) {
	w := newWorld(t, sandbox.Config{CountOnly: true}, "", sandbox.Network{ID: "acme", Key: key})
	w.start()
	w.post(m{"id": "1", "type": "channel.created", "channel": m{"id": "c", "name": "C"}, "members": []m{{"id": "bob"}}})
	for i := range 5 { // so that the cursor is far
		w.answers("SELECT count() FROM chatbell.deliveries", fmt.Sprint(i+1))
		w.post(m{"id": fmt.Sprint("m", i), "type": "message.created", "channel": m{"id": "c"}, "message": m{"id": fmt.Sprint("m", i), "type": "text", "text": "x"}})
	}
	w.answers("SELECT count() FROM chatbell.deliveries", "6")
	w.stop()
	if err := os.RemoveAll(filepath.Join(w.dir, "data", "jetstream")); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.post(m{"id": "2", "type": "message.created", "channel": m{"id": "c"}, "message": m{"id": "m", "type": "text", "text": "x"}})
	w.answers("SELECT count() FROM chatbell.deliveries", "7")
	w.stop()
}
