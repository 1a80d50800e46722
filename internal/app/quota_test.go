package app_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

// A network over its quota is told which one and when to come again; nothing of its request
// is stored, and another network does not notice.
func TestQuota(t *testing.T) {
	t.Parallel()
	const slowKey = "slow-backend-key-0123456789"
	w := start(t, func(c *apptest.Config) {
		c.Networks = append(c.Networks, sandbox.Network{ID: "slow", App: "com.slow.chat", Key: slowKey})
		c.YAML = "quota: {events_per_second: 5}\n"
	})
	told := 0
	w.As(slowKey, func() {
		w.Eventually("the quota is used up", func() bool {
			status, answer := w.Call("POST", "/v1/events", apptest.Said("c", strconv.Itoa(told)))
			told++
			if status == http.StatusAccepted {
				return false
			}
			if status != http.StatusTooManyRequests || !strings.Contains(answer, "5 events a second") {
				t.Errorf("over the quota: %d %s", status, answer)
			}
			return true
		})
		if status, _ := w.Call("PUT", "/v1/users/bob", event{"name": "Bob"}); status >= 300 {
			t.Errorf("a state call is answered %d", status)
		}
	})
	w.Post(apptest.Said("c", "of another network"))
	if status, answer := w.Call("GET", "/readyz", nil); status != http.StatusOK {
		t.Errorf("/readyz: %d %s", status, answer)
	}
	if _, metrics := w.Call("GET", "/metrics", nil); !strings.Contains(metrics, `chatbell_network_refusals_total{limit="events_per_second"} 1`) {
		t.Error("the refusal is not counted")
	}
	w.Stop()
}

// However many large bodies one network sends at once, all are taken in the end, and
// another network's events are taken meanwhile: it is never told to send less. (On a busy
// machine a disk may take longer than the broker waits; then both are told to come again.)
func TestLargeBodiesAtOnce(t *testing.T) {
	t.Parallel()
	const otherKey = "other-backend-key-0123456789"
	w := start(t, func(c *apptest.Config) {
		c.Networks = append(c.Networks, sandbox.Network{ID: "other", App: "com.other.chat", Key: otherKey})
	})
	large := func(id string) event {
		return event{"id": id, "type": "own.event", "actor": event{"id": "a"}, "data": event{"text": strings.Repeat("x", 500<<10)}}
	}
	var all sync.WaitGroup
	for sender := range 12 { // 48 MiB: half as much again as one network may have in memory
		all.Go(func() {
			var batch []event
			for i := range 8 {
				batch = append(batch, large(fmt.Sprint(sender, "-", i)))
			}
			w.Eventually("a batch of 4 MiB is taken", func() bool {
				status, answer, err := w.Try("POST", "/v1/events", batch)
				switch status {
				case http.StatusAccepted, http.StatusTooManyRequests, http.StatusMultiStatus, http.StatusServiceUnavailable:
				default:
					if err == nil {
						t.Errorf("a batch of 4 MiB: %d %s", status, answer)
					}
				}
				return err == nil && status == http.StatusAccepted
			})
		})
	}
	other := w.Backend(t, otherKey)
	for i := range 20 {
		other.Eventually("beside them another network's event is taken", func() bool {
			status, answer, err := other.Try("POST", "/v1/events", apptest.Said("c", strconv.Itoa(i)))
			if err == nil && status == http.StatusTooManyRequests {
				t.Errorf("beside them another network's event: %s", answer)
			}
			return err == nil && status == http.StatusAccepted
		})
	}
	all.Wait()
	w.Stop()
}
