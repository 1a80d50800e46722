package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/app"
	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

// While the push service, or the endpoint, of one network hangs, and that network goes
// on talking, another network's people are told; when it is back, all of the first one's
// are.
//
// What hangs here does so until the test lets it go: nothing is given up meanwhile, and
// no place comes free by waiting. So the other network's messages arrive only if they
// need no place that the hanging one has, however slow the machine is. How long they
// take beside it is measured by the benchmarks, against the same network alone.
func TestHangingNetworkHarmsNobody(t *testing.T) {
	const globex = "globex-backend-key-0123456789"
	for _, x := range []struct {
		what   string
		acme   sandbox.Network
		hang   sandbox.Failure
		accept string // the target of acme's rows
	}{
		{"push", sandbox.Network{ID: "acme", Key: apptest.Key, NoWebhook: true}, sandbox.Failure{Provider: sandbox.ProviderAPNs, Target: apptest.Token(1), Hang: true}, "apns"},
		{"webhook", sandbox.Network{ID: "acme", Key: apptest.Key, Delivery: chatbell.DeliverWebhook}, sandbox.Failure{Provider: sandbox.ProviderWebhook, Hang: true}, "webhook"},
	} {
		t.Run(x.what, func(t *testing.T) {
			t.Parallel()
			w := apptest.Start(t, apptest.Config{
				YAML:     "retry: {push: {initial: 100ms, max: 1s}, webhooks: [100ms, 1s, 1s, 1s, 1s]}\n",
				Networks: []sandbox.Network{x.acme, {ID: "globex", Key: globex, NoWebhook: true}},
				Options:  app.Options{SendTimeout: time.Hour},
			})
			w.Device("bob", "apns", apptest.Token(1), "en")
			w.Post(apptest.Created("c", "bob"))
			w.As(globex, func() {
				w.DeviceOf("com.globex.chat", "carol", "apns", apptest.Token(2), "en")
				w.Post(apptest.Created("c", "carol"))
			})
			told := func(n int) func() bool {
				return func() bool { return len(w.Box.Notifications(sandbox.Query{Target: apptest.Token(2)})) == n }
			}
			accepted := func(network, target string, n int) {
				w.Answers(fmt.Sprintf("SELECT count() FROM deliveries WHERE outcome = 'accepted' AND target = '%s' AND network = '%s'", target, network), fmt.Sprint(n))
			}
			w.Eventually("both are told", told(1))
			accepted("acme", x.accept, 1)

			if _, err := w.Box.Fail(x.hang); err != nil {
				t.Fatal(err)
			}
			const n, batch = 2400, 800 // more than there are places
			for from := 0; from < n; from += batch {
				events := make([]event, batch)
				for i := range events {
					events[i] = apptest.Said("c", fmt.Sprint("a", from+i))
				}
				w.Post(events...)
				w.As(globex, func() {
					w.Post(apptest.Said("c", fmt.Sprint("g", from)))
					w.Eventually("the other network's is told", told(2+from/batch))
				})
			}
			accepted("acme", x.accept, 1) // it hung all the time
			w.Box.ClearFailures()
			accepted("acme", x.accept, n+1)
			accepted("globex", "apns", 1+n/batch)
			w.Stop()
		})
	}
}
