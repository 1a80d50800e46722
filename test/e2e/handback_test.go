package e2e_test

import (
	"testing"

	"chatbell/internal/sandbox"
)

// Work that was handed back when the process stopped, and again when the next one did,
// is done all the same, once.
func TestHandedBackTwice(t *testing.T) {
	w := newWorld(t, sandbox.Config{}, "shutdown_timeout: 1s\n", sandbox.Network{ID: "acme", Key: key, Delivery: "both"})
	for _, p := range []string{sandbox.ProviderAPNs, sandbox.ProviderWebhook} {
		if _, err := w.box.Fail(sandbox.Failure{Provider: p, Hang: true}); err != nil {
			t.Fatal(err)
		}
	}
	w.start()
	w.device("bob", "apns", hex(1), "en")
	w.post(m{"id": "1", "type": "channel.created", "channel": m{"id": "c", "name": "C"}, "members": []m{{"id": "bob"}}})
	for range 3 {
		w.stop()
		w.start()
	}
	w.stop()
	w.box.ClearFailures()
	w.start()
	w.answers("SELECT target, outcome, count() FROM chatbell.deliveries GROUP BY ALL ORDER BY ALL", "apns\taccepted\t1\nwebhook\taccepted\t1")
	w.stop()
}
