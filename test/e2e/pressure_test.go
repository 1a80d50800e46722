package e2e_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatbell/internal/app"
	"chatbell/internal/app/apptest"
	"chatbell/internal/polltest"
	"chatbell/internal/sandbox"
)

var clickHouseKey = regexp.MustCompile(`(?m)^clickhouse: .*$`)

// ClickHouse is away for longer than there is room for results: intake refuses, sending
// pauses, nobody is told twice, and when it is back everything accepted is sent and
// recorded.
func TestClickHouseAwayTooLong(t *testing.T) {
	t.Parallel()
	const messages, crowd, batch = 200, 250, 10
	w := apptest.New(t, apptest.Config{
		Networks: []sandbox.Network{{ID: "acme", Key: apptest.Key, NoWebhook: true}},
		YAML:     "retry: {push: {initial: 100ms, max: 1s}}\n",
		// A fifth is kept for the work in hand, which is less than that: the messages' rows
		// have some 300 bytes each.
		// A try that hangs ends, so that a next one comes, and can be held.
		Options: app.Options{ResultBytes: 600_000, SendTimeout: 500 * time.Millisecond},
	})
	config := w.Configuration()
	w.Configure(clickHouseKey.ReplaceAllString(config, "clickhouse: http://"+polltest.NobodyListens(t)+"/chatbell"))
	w.Start()

	// Messages that cannot be sent for now: they are accepted, and wait.
	if _, err := w.Box.Fail(sandbox.Failure{Provider: sandbox.ProviderAPNs, Hang: true}); err != nil {
		t.Fatal(err)
	}
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Post(event{"id": "bob's", "type": "channel.created", "actor": event{"id": "bob"}, "channel": event{"id": "c"}, "members": []event{{"id": "bob"}}})
	waiting := make([]event, messages)
	for i := range waiting {
		waiting[i] = apptest.Said("c", fmt.Sprint(i))
	}
	w.Post(waiting...)

	// Messages that are told to nobody, which is written down for each of a crowd.
	members := make([]event, crowd)
	for i := range members {
		members[i] = event{"id": fmt.Sprint("u", i)}
	}
	w.Post(event{"id": "the crowd's", "type": "channel.created", "channel": event{"id": "crowd"}, "members": members})
	told := 1
	w.Eventually("intake refuses", func() bool {
		said := make([]event, batch)
		for i := range said {
			said[i] = apptest.Said("crowd", fmt.Sprint("crowd-", told+i))
		}
		status, answer := w.Call("POST", "/v1/events", said)
		if status == http.StatusAccepted {
			told += batch
			written(t, w, told*crowd) // so that no more are posted than there is room for
		} else if status != http.StatusTooManyRequests {
			t.Fatalf("status %d: %s", status, answer)
		}
		return status == http.StatusTooManyRequests
	})
	w.Eventually("sending pauses", func() bool { // a message's next try is held, and stays so
		_, metrics := w.Call("GET", "/metrics", nil)
		return strings.Contains(metrics, "chatbell_sending_paused 1\n")
	})
	w.Box.ClearFailures()
	w.Stop()
	sent := len(w.Box.Notifications(sandbox.Query{}))
	t.Logf("%d of %d messages were sent; %d told %d people", sent, messages, told, crowd)
	if sent >= messages {
		t.Fatal("all were sent: nothing has held them")
	}

	w.Configure(config)
	w.Start()
	rows := messages + 1 + told*crowd
	w.Answers("SELECT count(), uniqExact(delivery_id), countIf(outcome = 'accepted') FROM deliveries", fmt.Sprintf("%d\t%d\t%d", rows, rows, messages))
	w.Answers("SELECT count() FROM events", fmt.Sprint(messages+1+told))
	if sent := len(w.Box.Notifications(sandbox.Query{})); sent != messages {
		t.Errorf("%d notifications were shown, want %d", sent, messages)
	}
	w.Stop()
}

var suppressed = regexp.MustCompile(`(?m)^chatbell_deliveries_total{.*outcome="suppressed".*} (\S+)$`)

// written waits until the rows of so many people who are not told are on their way to
// ClickHouse, or there is no more room for them.
func written(t *testing.T, w *apptest.World, people int) {
	t.Helper()
	w.Eventually(fmt.Sprint(people, " rows are written"), func() bool {
		_, scrape := w.Call("GET", "/metrics", nil)
		sum := 0.0
		for _, m := range suppressed.FindAllStringSubmatch(scrape, -1) {
			n, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
		return int(sum) >= people || strings.Contains(scrape, "chatbell_sending_paused 1\n")
	})
}
