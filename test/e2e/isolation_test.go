package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/sandbox"
)

// While the push service, or the endpoint, of one network hangs, and that network goes
// on talking, another network's people are told at once; when it is back, all of the
// first one's are.
func TestHangingNetworkHarmsNobody(t *testing.T) {
	const globex = "globex-backend-key-0123456789"
	for _, x := range []struct {
		what   string
		acme   sandbox.Network
		hang   sandbox.Failure
		accept string // the target of acme's rows
	}{
		{"push", sandbox.Network{ID: "acme", Key: key, NoWebhook: true}, sandbox.Failure{Provider: sandbox.ProviderAPNs, Target: hex(1), Hang: true}, "apns"},
		{"webhook", sandbox.Network{ID: "acme", Key: key, Delivery: chatbell.DeliverWebhook}, sandbox.Failure{Provider: sandbox.ProviderWebhook, Hang: true}, "webhook"},
	} {
		t.Run(x.what, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			w := newWorld(t, sandbox.Config{}, "retry: {push: {initial: 100ms, max: 1s}, webhooks: [100ms, 1s, 1s, 1s, 1s]}\n",
				x.acme, sandbox.Network{ID: "globex", Key: globex, NoWebhook: true})
			w.start()
			defer w.stop()
			w.device("bob", "apns", hex(1), "en")
			w.post(created("c", "bob"))
			w.as(globex, func() {
				w.deviceOf("com.globex.chat", "carol", "apns", hex(2), "en")
				w.post(created("c", "carol"))
			})
			accepted := func(network, target string, n int) {
				w.answers(fmt.Sprintf("SELECT count() FROM chatbell.deliveries WHERE outcome = 'accepted' AND target = '%s' AND network = '%s'", target, network), fmt.Sprint(n))
			}
			w.eventually("both are told", func() bool { return len(w.box.Notifications(sandbox.Query{Target: hex(2)})) == 1 })

			if _, err := w.box.Fail(x.hang); err != nil {
				t.Fatal(err)
			}
			const n, batch = 3000, 1000
			for from := 0; from < n; from += batch {
				events := make([]m, batch)
				for i := range events {
					events[i] = said("c", fmt.Sprint("a", from+i))
				}
				w.post(events...)
				w.as(globex, func() {
					start := time.Now()
					w.post(said("c", fmt.Sprint("g", from)))
					w.eventually("the other network's is told", func() bool {
						return len(w.box.Notifications(sandbox.Query{Target: hex(2)})) == 2+from/batch
					})
					// What hangs is given up after 10 s and more; nobody else may wait for that.
					if took := time.Since(start); took > 6*time.Second {
						t.Errorf("the other network's waited for %v", took)
					}
				})
			}
			w.box.ClearFailures()
			accepted("acme", x.accept, n+1)
			accepted("globex", "apns", 1+n/batch)
		})
	}
}

// created makes a channel with one member.
func created(channel, member string) m {
	return m{"id": "created", "type": "channel.created", "channel": m{"id": channel, "name": "C"}, "members": []m{{"id": member}}}
}

// said is a message in a channel.
func said(channel, id string) m {
	return m{"id": id, "type": "message.created", "channel": m{"id": channel}, "message": m{"id": id, "type": "text", "text": "x"}}
}
