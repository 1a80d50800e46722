package clickhouse

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"strings"
	"testing"

	"chatbell"
	"chatbell/analytics"
	"chatbell/analytics/clickhouse/clickhousetest"
)

// Known and Recorded tell the rows that are there from those that are not, also when
// there are more than one query asks for.
func TestKnownAndRecorded(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	s := open(t, e)
	const n = 2*lookupPage + 7
	there := rows(0, n)
	// A replay is a row of its own, and no normal life; so is the attempt after the first.
	for i := range there.Deliveries {
		if i%10 == 9 {
			there.Deliveries[i].Replay, there.Attempts[i].Number, there.Events[i].Network = 2, 3, "globex"
			there.Attempts[i].Outcome = "failed"
		}
	}
	// A call with a raw event has attempts only: what was accepted is finished.
	there.Deliveries = there.Deliveries[:n-4] // the attempts of the last four were accepted, but for one
	there.Attempts[n-1].Outcome = "failed"
	if err := s.Insert(t.Context(), "token", there); err != nil {
		t.Fatal(err)
	}
	asked := rows(0, 2*n) // each second is there
	known, err := s.Known(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	want := analytics.Known{Deliveries: map[analytics.DeliveryKey]struct{}{}, Attempts: map[analytics.AttemptKey]struct{}{}, Events: map[analytics.EventKey]struct{}{}}
	normal := map[chatbell.UUID]struct{}{}
	for _, d := range there.Deliveries {
		want.Deliveries[analytics.DeliveryKey{ID: d.DeliveryID, Replay: d.Replay}] = struct{}{}
		if d.Replay == 0 {
			normal[d.DeliveryID] = struct{}{}
		}
	}
	for _, a := range there.Attempts {
		want.Attempts[analytics.AttemptKey{ID: a.DeliveryID, Number: a.Number}] = struct{}{}
		if a.Outcome == "accepted" {
			normal[a.DeliveryID] = struct{}{}
		}
	}
	for _, ev := range there.Events {
		want.Events[analytics.EventKey{Network: ev.Network, ID: ev.EventID}] = struct{}{}
	}
	if !maps.Equal(known.Deliveries, want.Deliveries) || !maps.Equal(known.Attempts, want.Attempts) || !maps.Equal(known.Events, want.Events) {
		t.Errorf("known: %d deliveries, %d attempts, %d events, want %d, %d and %d, and the same", len(known.Deliveries), len(known.Attempts), len(known.Events),
			len(want.Deliveries), len(want.Attempts), len(want.Events))
	}
}

func TestLookupOfNothing(t *testing.T) {
	e := clickhousetest.Shared(t)
	s := open(t, e)
	known, err := s.Known(t.Context(), &chatbell.Results{})
	if err != nil || len(known.Deliveries)+len(known.Attempts)+len(known.Events) != 0 || known.Deliveries == nil || known.Attempts == nil || known.Events == nil {
		t.Errorf("known of nothing: %v, %v; want maps that can be written to", known, err)
	}
	if err := s.Insert(t.Context(), "token", &chatbell.Results{}); err != nil {
		t.Error(err)
	}
	same(t, e, "SELECT count() FROM {db}.deliveries", "0")
}

// The longest ids that a backend may choose, a page full of them, fit a query's text.
func TestKnownEventsWithLongIDs(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	s := open(t, e)
	var block chatbell.Results
	for i := range lookupPage {
		r := rows(0, 1)
		for _, char := range []string{"🔔", "'"} {
			ev := r.Events[0]
			number := fmt.Sprint(i)
			ev.EventID = chatbell.EventID(number + strings.Repeat(char, chatbell.MaxIDLength-len(number)))
			block.Events = append(block.Events, ev)
		}
	}
	if err := s.Insert(t.Context(), "token", &block); err != nil {
		t.Fatal(err)
	}
	known, err := s.Known(t.Context(), &block)
	if err != nil {
		t.Fatal(err)
	}
	if len(known.Events) != len(block.Events) {
		t.Errorf("%d events are known, want %d", len(known.Events), len(block.Events))
	}
}

// hostile are strings that somebody might get through to the tables.
var hostile = map[string]string{
	"quotes":        `'"` + "`" + `\'\"''""`,
	"injection":     `'); DROP TABLE chatbell.deliveries; --`,
	"in brackets":   `') OR 1=1 OR event_id IN ('`,
	"backslashes":   `\\\`,
	"NUL":           "a\x00b\x000",
	"placeholders":  "? $1 @name {db} {x:String} {db:Identifier}",
	"comments":      "-- /* # */ --",
	"lines":         "a\nb\r\nc\td\v\f\b",
	"emoji":         "🔔👩‍👩‍👧‍👦é\u202e\ufeff",
	"invalid UTF-8": "\xff\xfe\x80abc\xc3",
	"empty":         "",
	"spaces":        "  ",
	"64 KiB":        strings.Repeat("0123456789abcde'", 4096),
	"null":          `\N`,
}

// Hostile strings come back as they went in, are found, and do nothing else.
func TestHostileStrings(t *testing.T) {
	t.Parallel()
	e := clickhousetest.Shared(t)
	s := open(t, e)
	n := 0
	for name, text := range hostile {
		block := rows(n, 1)
		n++
		d, a, ev := &block.Deliveries[0], &block.Attempts[0], &block.Events[0]
		d.EventID, d.UserID, d.SubjectID, d.ProviderReason, d.Template = chatbell.EventID(text), chatbell.UserID(text), text, text, text
		a.EventID, a.ProviderReason, a.Endpoint = chatbell.EventID(text), text, chatbell.EndpointID(text)
		ev.EventID, ev.Network, ev.ActorID = chatbell.EventID(text), chatbell.NetworkID(text), chatbell.UserID(text)
		if err := s.Insert(t.Context(), "'"+name, block); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for table, columns := range map[string][]string{
			"deliveries": {"event_id", "user_id", "subject_id", "provider_reason", "template"},
			"attempts":   {"event_id", "provider_reason", "endpoint"},
			"events":     {"event_id", "network", "actor_id"},
		} {
			// The sum, because the text does not fit a query so many times.
			is := fmt.Sprintf("SHA256(%%s) = unhex('%x')", sha256.Sum256([]byte(text)))
			for i, column := range columns {
				columns[i] = fmt.Sprintf(is, column)
			}
			same(t, e, "SELECT count() FROM {db}."+table+" WHERE "+strings.Join(columns, " AND "), "1")
		}
		known, err := s.Known(t.Context(), block)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := map[analytics.EventKey]struct{}{{Network: ev.Network, ID: ev.EventID}: {}}
		if !maps.Equal(known.Events, want) || len(known.Deliveries) != 1 || len(known.Attempts) != 1 {
			t.Errorf("%s: known are %d events, %d deliveries, %d attempts, want this one of each", name, len(known.Events), len(known.Deliveries), len(known.Attempts))
		}
	}
	all := fmt.Sprint(len(hostile))
	same(t, e, counts, strings.Join([]string{all, all, all, all, fmt.Sprint(n * (n - 1) / 2)}, "\t"))
	checkSchema(t, e, e.Name())
}

// Somebody else's text as an id of a delivery is an error, not a query.
func TestHostileDeliveryID(t *testing.T) {
	e := clickhousetest.Shared(t)
	s := open(t, e)
	if err := s.Insert(t.Context(), "token", rows(0, 3)); err != nil {
		t.Fatal(err)
	}
	for _, hostile := range []chatbell.UUID{"", "x", "') OR 1=1 OR delivery_id IN ('", "00000000-0000-0000-0000-00000000000g"} {
		bad := rows(10, 1)
		bad.Deliveries[0].DeliveryID = hostile
		if err := s.Insert(t.Context(), "token 2", &chatbell.Results{Deliveries: bad.Deliveries}); err == nil {
			t.Errorf("a delivery with the id %q was inserted", hostile)
		}
	}
	same(t, e, counts, "3\t3\t3\t3\t3")
}
