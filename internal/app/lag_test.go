package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

// While ClickHouse is away, the metrics tell how many rows wait for it.
func TestRecorderLagInRows(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apptest.Config{Networks: []sandbox.Network{{ID: "acme", Key: apptest.Key, NoWebhook: true}}})
	address := regexp.MustCompile(`(?m)^clickhouse: .*$`)
	target, err := url.Parse(strings.TrimPrefix(address.FindString(w.Configuration()), "clickhouse: "))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target.Host})
	var here atomic.Bool
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !here.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(rw, r)
	}))
	defer front.Close()
	w.Configure(strings.Replace(w.Configuration(), target.Host, strings.TrimPrefix(front.URL, "http://"), 1))
	w.Start()
	var events []apptest.Event
	for i := range 5 {
		e := apptest.Created(fmt.Sprint("c", i), "bob")
		e["id"] = fmt.Sprint("e", i)
		events = append(events, e)
	}
	w.Post(events...)
	w.Eventually("the recorder finds nobody", func() bool { return w.Logs("they cannot be recorded now") > 0 })
	const rows = 10 // an event and a delivery of each
	lag := regexp.MustCompile(`(?m)^chatbell_recorder_lag_rows (\S+)$`)
	w.Eventually("all rows wait", func() bool {
		_, scrape := w.Call("GET", "/metrics", nil)
		m := lag.FindStringSubmatch(scrape)
		return m != nil && m[1] == fmt.Sprint(rows)
	})
	here.Store(true)
	w.Answers("SELECT (SELECT count() FROM deliveries) + (SELECT count() FROM events) + (SELECT count() FROM attempts)", fmt.Sprint(rows))
	w.Stop()
}
