package clickhouse

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbell"
	"chatbell/analytics/clickhouse/clickhousetest"
)

// at is the time of the tests' rows: within the tables' TTL for a long time, because
// rows that are too old are dropped when parts merge.
var at = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func id(n int) chatbell.UUID {
	return chatbell.NewDeliveryID("acme", chatbell.EventID(fmt.Sprint("e", n)), "rule", "", "bob", "apns:phone")
}

// rows is a block of n rows of each table; equal numbers make equal rows.
func rows(first, n int) *chatbell.Results {
	var r chatbell.Results
	for i := first; i < first+n; i++ {
		event := chatbell.EventID(fmt.Sprint("e", i))
		r.Deliveries = append(r.Deliveries, chatbell.Delivery{
			Network: "acme", EventID: event, EventType: "message.created", UserID: "bob", DeliveryID: id(i), Target: "apns",
			Outcome: "accepted", Attempts: 1, EventTime: at, AcceptedAt: at, FinishedAt: at, LatencyMS: uint32(i), Source: "event",
		})
		r.Attempts = append(r.Attempts, chatbell.Attempt{
			Network: "acme", EventID: event, DeliveryID: id(i), UserID: "bob", Target: "apns", Number: 1, At: at, Outcome: "accepted",
		})
		r.Events = append(r.Events, chatbell.AcceptedEvent{
			Network: "acme", EventID: event, EventType: "message.created", EventTime: at, AcceptedAt: at, Source: "event", Audience: 1,
		})
	}
	return &r
}

// fill gives each field of a row a value that no other has, and gives what the database
// has to answer, by column.
func fill(t *testing.T, row any) map[string]string {
	t.Helper()
	v := reflect.ValueOf(row).Elem()
	want := map[string]string{}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		column, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch f := v.Field(i); {
		case field.Type == reflect.TypeFor[time.Time]():
			moment := at.Add(time.Duration(i)*time.Hour + time.Duration(i)*time.Millisecond)
			f.Set(reflect.ValueOf(moment))
			want[column] = moment.Format("2006-01-02 15:04:05.000")
		case field.Type == reflect.TypeFor[chatbell.UUID]():
			f.Set(reflect.ValueOf(id(i)))
			want[column] = string(id(i))
		case f.Kind() == reflect.String:
			f.SetString("value of " + column)
			want[column] = "value of " + column
		case f.CanUint():
			f.SetUint(uint64(1)<<(f.Type().Bits()-1) + uint64(i)) // the whole width of the column
			want[column] = fmt.Sprint(f.Uint())
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
			want[column] = "true"
		default:
			t.Fatalf("%s.%s has the type %s: teach this test about it", v.Type(), field.Name, field.Type)
		}
	}
	return want
}

// Each field of each kind of row has a column of its JSON name, which gets its value,
// and there is no other column.
func TestEveryColumnArrives(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	s := open(t, e)
	r := chatbell.Results{Deliveries: make([]chatbell.Delivery, 1), Attempts: make([]chatbell.Attempt, 1), Events: make([]chatbell.AcceptedEvent, 1)}
	want := map[string]map[string]string{
		"deliveries": fill(t, &r.Deliveries[0]), "attempts": fill(t, &r.Attempts[0]), "events": fill(t, &r.Events[0]),
	}
	if err := s.Insert(t.Context(), "token", &r); err != nil {
		t.Fatal(err)
	}
	for table, columns := range want {
		answer := strings.Split(e.Query("SELECT * FROM {db}."+table+" FORMAT TSVWithNames"), "\n")
		if len(answer) != 2 {
			t.Fatalf("%s: %d lines", table, len(answer))
		}
		names, values := strings.Split(answer[0], "\t"), strings.Split(answer[1], "\t")
		for i, name := range names {
			if value, ok := columns[name]; !ok || value != values[i] {
				t.Errorf("%s.%s is %q, want %q (has a field: %v)", table, name, values[i], value, ok)
			}
		}
		for name := range columns {
			if !slices.Contains(names, name) {
				t.Errorf("%s has no column %s", table, name)
			}
		}
	}
	// Two booleans that are both true may stand in each other's place.
	r.Attempts[0].WillRetry = false
	if err := s.Insert(t.Context(), "token 2", &chatbell.Results{Attempts: r.Attempts}); err != nil {
		t.Fatal(err)
	}
	same(t, e, "SELECT will_retry, maybe_repeat FROM {db}.attempts ORDER BY will_retry", "false\ttrue\ntrue\ttrue")
}

// counts is how many rows the tables and the roll-up have.
const counts = "SELECT (SELECT count() FROM {db}.deliveries), (SELECT count() FROM {db}.attempts), (SELECT count() FROM {db}.events)," +
	" (SELECT sum(deliveries) FROM {db}.deliveries_hourly), (SELECT sum(latency_ms_sum) FROM {db}.deliveries_hourly)"

// An insert that broke off between the tables is completed by its repeat.
func TestRepeatCompletesABrokenInsert(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	s := open(t, e)
	whole := rows(0, 5)
	for _, part := range []*chatbell.Results{{Attempts: whole.Attempts}, {Deliveries: whole.Deliveries}, whole} {
		if err := s.Insert(t.Context(), "1-5", part); err != nil {
			t.Fatal(err)
		}
	}
	same(t, e, counts, "5\t5\t5\t5\t10")
}

// Rows of many months go into many parts; a repeat adds to none.
func TestTokenOverSeveralMonths(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	s := open(t, e)
	block := rows(0, 24)
	for i := range block.Deliveries {
		month := at.AddDate(0, i/2, 0) // the future, which no TTL removes
		block.Deliveries[i].AcceptedAt, block.Attempts[i].At, block.Events[i].AcceptedAt = month, month, month
	}
	for range 2 {
		if err := s.Insert(t.Context(), "1-24", block); err != nil {
			t.Fatal(err)
		}
		same(t, e, counts, "24\t24\t24\t24\t276")
	}
}

// The roll-up has one line for each hour and kind, and its greatest latency.
func TestRollUp(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	s := open(t, e)
	block := rows(1, 4)
	block.Deliveries[0].AcceptedAt = at.Add(59*time.Minute + 59*time.Second + 999*time.Millisecond)
	block.Deliveries[2].AcceptedAt = at.Add(time.Hour)
	block.Deliveries[3].Outcome, block.Deliveries[3].Reason, block.Deliveries[3].Level = "suppressed", "user_off", "user"
	if err := s.Insert(t.Context(), "token", block); err != nil {
		t.Fatal(err)
	}
	same(t, e, "SELECT hour, network, event_type, target, outcome, level, reason, sum(deliveries), sum(latency_ms_sum), max(latency_ms_max) FROM {db}.deliveries_hourly GROUP BY ALL ORDER BY hour, outcome",
		"2026-11-20 10:00:00\tacme\tmessage.created\tapns\taccepted\t\t\t2\t3\t2\n"+
			"2026-11-20 10:00:00\tacme\tmessage.created\tapns\tsuppressed\tuser\tuser_off\t1\t4\t4\n"+
			"2026-11-20 11:00:00\tacme\tmessage.created\tapns\taccepted\t\t\t1\t3\t3")
}

// Whatever time a backend claims for an event, its rows go in, and so do the others of
// their block: one row that never goes in would hold up all results after it.
func TestTimesOutOfRange(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	s := open(t, e)
	for i, tc := range []struct {
		time time.Time
		want string
	}{
		{time.Time{}, "1970-01-01 00:00:00.000"},
		{time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), "1900-01-01 00:00:00.000"},
		{time.Date(1899, 12, 31, 23, 59, 59, 0, time.UTC), "1900-01-01 00:00:00.000"},
		{time.Date(1969, 7, 20, 20, 17, 40, 0, time.UTC), "1969-07-20 20:17:40.000"},
		{time.Date(2026, 11, 20, 11, 0, 0, 1999999, time.FixedZone("", 3600)), "2026-11-20 10:00:00.001"},
		{time.Date(2263, 1, 1, 0, 0, 0, 0, time.UTC), "2262-04-11 23:47:16.000"},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), "2262-04-11 23:47:16.000"},
	} {
		block := rows(2*i, 2)
		block.Deliveries[0].EventTime, block.Events[0].EventTime = tc.time, tc.time
		if err := s.Insert(t.Context(), fmt.Sprint(i), block); err != nil {
			t.Errorf("%s: %v", tc.time, err)
			continue
		}
		for _, table := range []string{"deliveries", "events"} {
			same(t, e, fmt.Sprintf("SELECT event_time FROM {db}.%s WHERE event_id IN ('e%d', 'e%d') ORDER BY event_id != 'e%d'", table, 2*i, 2*i+1, 2*i),
				tc.want+"\n2026-11-20 10:00:00.000")
		}
	}
}
