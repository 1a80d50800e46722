package clickhouse

import (
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
)

// The outside of the database, column by column, in the order of the tables. What
// stands here is relied upon by other people's queries.
var contract = map[string]string{
	"deliveries": `network LowCardinality(String), event_id String, event_type LowCardinality(String), channel_id String,
		user_id String, device_id String, delivery_id UUID, target LowCardinality(String), platform LowCardinality(String),
		app LowCardinality(String), locale LowCardinality(String), template LowCardinality(String), endpoint LowCardinality(String),
		subject_id String, replay UInt32, outcome LowCardinality(String), level LowCardinality(String), reason LowCardinality(String),
		attempts UInt32, provider_id String, provider_status UInt16, provider_reason LowCardinality(String),
		event_time DateTime64(3, 'UTC'), accepted_at DateTime64(3, 'UTC'), finished_at DateTime64(3, 'UTC'),
		latency_ms UInt32, source LowCardinality(String)`,
	"attempts": `network LowCardinality(String), event_id String, delivery_id UUID, user_id String, device_id String,
		target LowCardinality(String), endpoint LowCardinality(String), number UInt32, at DateTime64(3, 'UTC'), duration_ms UInt32,
		outcome LowCardinality(String), reason LowCardinality(String), will_retry Bool, maybe_repeat Bool,
		provider_id String, provider_status UInt16, provider_reason LowCardinality(String)`,
	"events": `network LowCardinality(String), event_id String, event_type LowCardinality(String), channel_id String,
		actor_id String, event_time DateTime64(3, 'UTC'), accepted_at DateTime64(3, 'UTC'), source LowCardinality(String), audience UInt32`,
	"deliveries_hourly": `hour DateTime('UTC'), network LowCardinality(String), event_type LowCardinality(String),
		target LowCardinality(String), outcome LowCardinality(String), level LowCardinality(String), reason LowCardinality(String),
		deliveries SimpleAggregateFunction(sum, UInt64), latency_ms_sum SimpleAggregateFunction(sum, UInt64),
		latency_ms_max SimpleAggregateFunction(max, UInt32), block SimpleAggregateFunction(anyLast, UInt64)`,
	"notifications": `uid String, provider String, type String, recipient String, device_id String, platform String, user String,
		msg_id String, status String, error_message String, error_code String, time DateTime('UTC')`,
	"goose_db_version": `version_id Int64, is_applied UInt8, date Date, tstamp DateTime`,
}

// engines are the tables' engines with what keeps rows exact: the window of tokens.
const engines = "attempts\tMergeTree\t1\n" +
	"deliveries\tMergeTree\t1\n" +
	"deliveries_hourly\tAggregatingMergeTree\t1\n" +
	"events\tMergeTree\t1\n" +
	"goose_db_version\tMergeTree\t0\n" +
	"notifications\tView\t0"

// checkSchema compares a database with the contract.
func checkSchema(t *testing.T, e *clickhousetest.Engine, database string) {
	t.Helper()
	got := map[string][]string{}
	for line := range strings.SplitSeq(e.Query("SELECT table, name, type FROM system.columns WHERE database = '"+database+"' ORDER BY table, position FORMAT TSVRaw"), "\n") {
		table, column, _ := strings.Cut(line, "\t")
		got[table] = append(got[table], strings.Replace(column, "\t", " ", 1))
	}
	for table, columns := range contract {
		want := strings.Join(strings.Fields(columns), " ")
		if have := strings.Join(got[table], ", "); have != want {
			t.Errorf("%s.%s has the columns\n  %s\nwant\n  %s", database, table, have, want)
		}
	}
	for table := range got {
		if _, ok := contract[table]; !ok {
			t.Errorf("%s.%s is not in the contract", database, table)
		}
	}
	same(t, e, "SELECT name, engine, create_table_query LIKE '%non_replicated_deduplication_window = 1000%' FROM system.tables WHERE database = '"+database+"' ORDER BY name", engines)
}

// The view answers what Centrifugo's table of that name does.
func TestNotificationsView(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	s := open(t, e)
	block := rows(7, 1)
	d := &block.Deliveries[0]
	d.Target, d.EventType, d.DeviceID, d.Platform, d.UserID = "apns", "message.created", "phone", "ios", "bob"
	d.ProviderID, d.Outcome, d.ProviderReason, d.Reason = "apns-id", "failed", "BadDeviceToken", "invalid_token"
	d.FinishedAt = at.Add(1234567890)
	if err := s.Insert(t.Context(), "token", block); err != nil {
		t.Fatal(err)
	}
	same(t, e, "SELECT * FROM {db}.notifications", strings.Join([]string{
		string(d.DeliveryID), "apns", "message.created", "phone", "phone", "ios", "bob", "apns-id", "failed", "BadDeviceToken",
		"invalid_token", "2026-11-20 10:00:01",
	}, "\t"))
}
