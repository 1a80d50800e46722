package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"chatbell/internal/sandbox"
)

// ClickHouse is away for longer than there is room for results: intake refuses, sending
// pauses, nobody is told twice, and when it is back everything accepted is sent and
// recorded.
func TestClickHouseAwayTooLong(t *testing.T) {
	t.Setenv(resultsVariable, "3000000") // 300 bytes each: some 8,000, those in hand, and 100 ms more
	w := newWorld(t, sandbox.Config{}, "", sandbox.Network{ID: "acme", Key: key})
	config, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	away := append([]byte("clickhouse: http://"+free(t)+"/chatbell\n"), config...)
	if err := os.WriteFile(w.config(), away, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.device("bob", "apns", hex(1), "en")
	w.post(m{"id": "created", "type": "channel.created", "channel": m{"id": "c", "name": "C"}, "members": []m{{"id": "bob"}}})
	accepted := 1
	message := func() m {
		id := fmt.Sprint(accepted)
		accepted++
		return m{"id": id, "type": "message.created", "channel": m{"id": "c"}, "message": m{"id": id, "type": "text", "text": "x"}}
	}
	for range 11 {
		events := make([]m, 1000)
		for i := range events {
			events[i] = message()
		}
		w.post(events...)
	}
	w.eventually("intake refuses", func() bool {
		status, answer := w.call("POST", "/v1/events", message())
		if status == http.StatusTooManyRequests {
			accepted--
		} else if status != http.StatusAccepted {
			t.Fatalf("status %d: %s", status, answer)
		}
		return status == http.StatusTooManyRequests
	})
	w.eventually("sending pauses", func() bool {
		_, metrics := w.call("GET", "/metrics", nil)
		return strings.Contains(metrics, "chatbell_sending_paused 1\n")
	})
	sent, since := 0, time.Now()
	w.eventually("what is in hand is sent, and nothing more", func() bool {
		if n := len(w.box.Notifications(sandbox.Query{})); n != sent {
			sent, since = n, time.Now()
		}
		return time.Since(since) > 2*time.Second
	})
	t.Logf("%d were sent of %d accepted", sent, accepted)
	if sent >= accepted {
		t.Fatalf("%d were sent of %d accepted: nothing has held them", sent, accepted)
	}
	w.stop()
	if err := os.WriteFile(w.config(), config, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.answers("SELECT count(), uniqExact(delivery_id), countIf(outcome = 'accepted') FROM chatbell.deliveries", fmt.Sprintf("%d\t%d\t%d", accepted, accepted, accepted))
	w.answers("SELECT count() FROM chatbell.events", fmt.Sprint(accepted))
	if sent := len(w.box.Notifications(sandbox.Query{})); sent != accepted {
		t.Errorf("%d notifications were shown, want %d", sent, accepted)
	}
	w.stop()
}
