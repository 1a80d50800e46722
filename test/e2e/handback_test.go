package e2e_test

import (
	"testing"

	"chatbell"
	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

// Work that was handed back when the process stopped, and again when the next one did,
// is done all the same, once.
func TestHandedBackTwice(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apptest.Config{
		YAML:     "shutdown_timeout: 1s\n",
		Networks: []sandbox.Network{{ID: "acme", Key: apptest.Key, Delivery: chatbell.DeliverBoth}},
	})
	for _, p := range []string{sandbox.ProviderAPNs, sandbox.ProviderWebhook} {
		if _, err := w.Box.Fail(sandbox.Failure{Provider: p, Hang: true}); err != nil {
			t.Fatal(err)
		}
	}
	w.Start()
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Post(event{"id": "1", "type": "channel.created", "channel": event{"id": "c", "name": "C"}, "members": []event{{"id": "bob"}}})
	for range 3 {
		w.Stop()
		w.Start()
	}
	w.Stop()
	w.Box.ClearFailures()
	w.Start()
	w.Answers("SELECT target, outcome, count() FROM deliveries GROUP BY ALL ORDER BY ALL", "apns\taccepted\t1\nwebhook\taccepted\t1")
	w.Stop()
}
