package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"chatbell/analytics/engine"
	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

// TestKilledInTheMiddle posts 400 events to a channel of 50 while the server is
// killed and started again: no accepted event is lost, and every person has exactly
// one row for each.
func TestKilledInTheMiddle(t *testing.T) {
	const events, members, kills = 400, 50, 3
	t.Parallel()
	w := apptest.Start(t, apptest.Config{Process: true, Networks: acme(), Sandbox: sandbox.Config{CountOnly: true, CountIDs: true}})
	var list []event
	for i := range members {
		id := fmt.Sprintf("u%02d", i)
		w.Device(id, "apns", apptest.Token(i+1), "en")
		list = append(list, event{"id": id})
	}
	w.Post(event{"id": "created", "type": "channel.created", "channel": event{"id": "c", "name": "C"}, "members": list})
	killed := 0
	for i := 0; i < events; {
		batch := make([]event, 0, 10)
		for j := range 10 {
			n := i + j
			batch = append(batch, event{"id": fmt.Sprint("e", n), "type": "message.created", "actor": event{"id": fmt.Sprintf("u%02d", n%members)},
				"channel": event{"id": "c"}, "message": event{"id": fmt.Sprint("m", n), "type": "text", "text": "hello"}})
		}
		status, _, err := w.Try("POST", "/v1/events", batch)
		switch {
		case err == nil && status == http.StatusAccepted:
			i += 10
		case err == nil && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable:
			t.Fatalf("post: status %d", status)
		}
		if killed < kills && i >= (killed+1)*events/(kills+1) {
			killed++
			w.Kill()
			w.Start()
		}
	}
	total := fmt.Sprint((events + 1) * members)
	w.Answers("SELECT count() FROM deliveries", total)
	for sql, want := range map[string]string{
		"SELECT uniqExact(delivery_id) FROM deliveries":                                                     total,
		"SELECT count() FROM events":                                                                        fmt.Sprint(events + 1),
		"SELECT count() FROM deliveries WHERE outcome = 'accepted'":                                         fmt.Sprint(events*(members-1) + members),
		"SELECT count() FROM deliveries WHERE reason = 'self'":                                              fmt.Sprint(events),
		"SELECT sum(deliveries) FROM deliveries_hourly":                                                     total,
		"SELECT count() FROM (SELECT event_id, count() AS n FROM deliveries GROUP BY event_id) WHERE n!=50": "0",
	} {
		w.Answers(sql, want)
	}
	ids := w.Box.Stats().IDs
	// The network's webhook gets each event itself, too.
	if want := int64(events*(members-1) + members + events + 1); ids.Unique != want {
		t.Errorf("%d different notifications and calls arrived, want %d", ids.Unique, want)
	}
	t.Logf("%d kills; %d of %d arrivals were repeated with the same collapse id", killed, ids.Repeats, ids.Unique)
	w.Stop()
}

// The server is killed three times while ClickHouse is away, and is started again without
// it: it goes on telling people, because what was sent is known without ClickHouse. What
// was repeated is marked, and all rows are there when ClickHouse is.
func TestKilledWithClickHouseAway(t *testing.T) {
	const events, members, kills = 120, 50, 3
	t.Parallel()
	w := apptest.New(t, apptest.Config{Process: true, Networks: acme(), Sandbox: sandbox.Config{CountOnly: true, CountIDs: true}})
	whole := w.Configuration()
	w.Configure(whole + "clickhouse: http://127.0.0.1:9/away\n") // the port of nobody
	w.Start()
	var list []event
	for i := range members {
		id := fmt.Sprintf("u%02d", i)
		w.Device(id, "apns", apptest.Token(i+1), "en")
		list = append(list, event{"id": id})
	}
	w.Post(event{"id": "created", "type": "channel.created", "channel": event{"id": "c", "name": "C"}, "members": list})
	for i := range events {
		w.Post(event{"id": fmt.Sprint("e", i), "type": "message.created", "actor": event{"id": "u00"}, "channel": event{"id": "c"},
			"message": event{"id": fmt.Sprint("m", i), "type": "text", "text": "hello"}})
		if i%(events/kills) == events/kills-1 {
			w.Kill()
			w.Start()
		}
	}
	// Each person but the sender gets each message, everybody the channel; the network's
	// webhook gets each event itself.
	want := int64(events*(members-1) + members + events + 1)
	w.Eventually("everybody is told although ClickHouse is away", func() bool { return w.Box.Stats().IDs.Unique >= want })
	w.Stop()
	w.Configure(whole)
	w.Start()
	total := fmt.Sprint((events + 1) * members)
	w.Answers("SELECT count() FROM deliveries", total)
	w.Answers("SELECT uniqExact(delivery_id) FROM deliveries", total)
	w.Answers("SELECT sum(deliveries) FROM deliveries_hourly", total)
	ids := w.Box.Stats().IDs
	if ids.Unique != want {
		t.Errorf("%d different notifications and calls arrived, want %d", ids.Unique, want)
	}
	w.Answers(fmt.Sprintf("SELECT countIf(maybe_repeat) >= %d FROM attempts", ids.Repeats), "1")
	t.Logf("%d kills; %d of %d arrivals were repeated", kills, ids.Repeats, ids.Unique)
	w.Stop()
}

// The engine dies in the middle, as if for lack of memory: it is started again, and the
// results that waited arrive, each once.
func TestEngineKilled(t *testing.T) {
	t.Parallel()
	w := apptest.Start(t, apptest.Config{Process: true, Networks: acme(), Sandbox: sandbox.Config{CountOnly: true}})
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Post(event{"id": "created", "type": "channel.created", "channel": event{"id": "c", "name": "C"}, "members": []event{{"id": "bob"}}})
	const events = 60
	for i := range events {
		if i%20 == 10 {
			w.Eventually("the engine answers", func() bool { return w.Query("SELECT 1") == "1" })
			killEngine(t, w.PID())
		}
		w.Post(event{"id": fmt.Sprint("e", i), "type": "message.created", "channel": event{"id": "c"}, "message": event{"id": fmt.Sprint("m", i), "type": "text", "text": "x"}})
	}
	total := fmt.Sprint(events + 1)
	w.Answers("SELECT count() FROM deliveries", total)
	for _, sql := range []string{"SELECT uniqExact(delivery_id) FROM deliveries", "SELECT sum(deliveries) FROM deliveries_hourly"} {
		w.Answers(sql, total)
	}
	w.Stop()
}

// killEngine kills the server's child.
func killEngine(t *testing.T, server int) {
	t.Helper()
	children := childrenOf(t, server)
	if len(children) == 0 {
		t.Fatal("the server has no child")
	}
	if err := syscall.Kill(children[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// childrenOf lists a process's children, whichever thread started them.
func childrenOf(t *testing.T, pid int) (children []int) {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		data, err := os.ReadFile(list)
		if err != nil {
			continue // a thread that ended
		}
		for field := range strings.FieldsSeq(string(data)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, child)
		}
	}
	return children
}

// A killed server leaves no engine behind, and the next start does not stumble over
// the last one's files.
func TestNoOrphans(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apptest.Config{Process: true, Networks: acme(), Sandbox: sandbox.Config{CountOnly: true}})
	var engines []int
	for range 3 {
		w.Start()
		engines = append(engines, childrenOf(t, w.PID())...)
		w.Kill()
	}
	w.Start()
	engines = append(engines, childrenOf(t, w.PID())...)
	w.Eventually("the engine answers", func() bool { return w.Query("SELECT 1") == "1" })
	w.Stop()
	if len(engines) != 4 {
		t.Errorf("the processes %v were seen, want four engines", engines)
	}
	w.Eventually("no engine is left", func() bool {
		return !slices.ContainsFunc(engines, isEngine)
	})
}

// isEngine reports whether a process lives and has the engine loaded: an id may be
// another's by now.
func isEngine(pid int) bool {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	return err == nil && strings.Contains(string(maps), engine.LibraryName)
}

// The broker's folder is lost, and the rest is kept: what comes from now on is recorded,
// and who leaves or joins from now on has left and joined, although the stream of events
// is new.
func TestBrokerLost(t *testing.T) {
	t.Parallel()
	w := apptest.Start(t, apptest.Config{Networks: acme(), Sandbox: sandbox.Config{CountOnly: true}})
	w.Post(event{"id": "1", "type": "channel.created", "channel": event{"id": "c", "name": "C"}, "members": []event{{"id": "bob"}}})
	for i := range 5 { // so that the cursor is far
		w.Answers("SELECT count() FROM deliveries", fmt.Sprint(i+1))
		w.Post(event{"id": fmt.Sprint("m", i), "type": "message.created", "channel": event{"id": "c"}, "message": event{"id": fmt.Sprint("m", i), "type": "text", "text": "x"}})
	}
	w.Post(event{"id": "left", "type": "channel.left", "channel": event{"id": "c"}, "members": []event{{"id": "bob"}}})
	w.Post(event{"id": "back", "type": "channel.joined", "channel": event{"id": "c"}, "members": []event{{"id": "bob"}}})
	w.Answers("SELECT count() FROM deliveries", "6")
	w.Stop()
	if err := os.RemoveAll(filepath.Join(w.Dir, "data", "jetstream")); err != nil {
		t.Fatal(err)
	}
	w.Start()
	w.Post(event{"id": "2", "type": "message.created", "channel": event{"id": "c"}, "message": event{"id": "m", "type": "text", "text": "x"}})
	w.Answers("SELECT count() FROM deliveries", "7")
	w.Post(event{"id": "3", "type": "channel.left", "channel": event{"id": "c"}, "members": []event{{"id": "bob"}}})
	w.Post(event{"id": "4", "type": "channel.joined", "channel": event{"id": "c"}, "members": []event{{"id": "carol"}}})
	w.Post(event{"id": "5", "type": "message.created", "channel": event{"id": "c"}, "message": event{"id": "m5", "type": "text", "text": "x"}})
	w.Answers("SELECT arraySort(groupArray(user_id)) FROM deliveries WHERE event_id = '5'", "['carol']")
	w.Stop()
}
