package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

// An endpoint that answered 410 is not called again after a restart, until it has another
// URL in the configuration: then it counts as new.
func TestGoneEndpointComesBackWithAnotherURL(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *apptest.Config) {
		c.Networks = []sandbox.Network{{ID: "acme", Key: apptest.Key, Delivery: "webhook"}}
	})
	called := func(event string) bool {
		return slices.ContainsFunc(w.Box.Webhooks(sandbox.Query{}), func(call sandbox.Webhook) bool { return strings.Contains(string(call.Body), `"`+event+`"`) })
	}
	if _, err := w.Box.Fail(sandbox.Failure{Provider: sandbox.ProviderWebhook, Status: http.StatusGone}); err != nil {
		t.Fatal(err)
	}
	w.Post(apptest.Created("c", "bob"))
	w.Eventually("it is disabled", func() bool { return w.Logs("answered 410") > 0 })
	w.Box.ClearFailures()
	w.Stop()
	w.Start()
	w.Post(apptest.Said("c", "m1"))
	w.Eventually("the row of the second", func() bool {
		return strings.TrimSpace(w.Query(`SELECT count() FROM chatbell.deliveries WHERE reason = 'endpoint_disabled' AND event_id = 'm1'`)) != "0"
	})
	if called("m1") {
		t.Error("it was called although it had answered 410")
	}
	w.Stop()
	w.Configure(strings.Replace(w.Configuration(), "/hooks/acme", "/hooks/acme?moved", 1))
	w.Start()
	w.Post(apptest.Said("c", "m2"))
	w.Eventually("it is called again", func() bool { return called("m2") })
	w.Stop()
}
