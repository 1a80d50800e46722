package clickhouse_test

import (
	"fmt"
	"testing"
	"time"

	"chatbell"
	"chatbell/analytics/clickhouse"
	"chatbell/analytics/clickhouse/clickhousetest"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

// open opens a store on the test's database; it closes with the test.
func open(t *testing.T, e *clickhousetest.Engine) *clickhouse.Store {
	t.Helper()
	s, err := clickhouse.Open(t.Context(), clickhouse.Config{DSN: e.DSN()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// same compares what the engine answers with what is expected.
func same(t *testing.T, e *clickhousetest.Engine, sql, want string) {
	t.Helper()
	if got := e.Query(sql); got != want {
		t.Errorf("%s\n  is   %q\n  want %q", sql, got, want)
	}
}

// at is the time of the tests' rows: within the tables' TTL for a long time.
var at = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// rows is a block of n rows of each table; equal numbers make equal rows.
func rows(first, n int) *chatbell.Results {
	var r chatbell.Results
	for i := first; i < first+n; i++ {
		event := chatbell.EventID(fmt.Sprint("e", i))
		id := chatbell.NewDeliveryID("acme", event, "rule", "", "bob", "apns:phone")
		r.Deliveries = append(r.Deliveries, chatbell.Delivery{
			Network: "acme", EventID: event, EventType: "message.created", UserID: "bob", DeliveryID: id, Target: "apns",
			Outcome: "accepted", Attempts: 1, EventTime: at, AcceptedAt: at, FinishedAt: at, LatencyMS: uint32(i), Source: "event",
		})
		r.Attempts = append(r.Attempts, chatbell.Attempt{
			Network: "acme", EventID: event, DeliveryID: id, UserID: "bob", Target: "apns", Number: 1, At: at, Outcome: "accepted",
		})
		r.Events = append(r.Events, chatbell.AcceptedEvent{
			Network: "acme", EventID: event, EventType: "message.created", EventTime: at, AcceptedAt: at, Source: "event", Audience: 1,
		})
	}
	return &r
}

// counts is how many rows the tables and the roll-up have.
const counts = "SELECT (SELECT count() FROM {db}.deliveries), (SELECT count() FROM {db}.attempts), (SELECT count() FROM {db}.events)," +
	" (SELECT sum(deliveries) FROM {db}.deliveries_hourly), (SELECT sum(latency_ms_sum) FROM {db}.deliveries_hourly)"
