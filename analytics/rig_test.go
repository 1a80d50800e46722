package analytics_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbell"
	"chatbell/analytics"
	"chatbell/analytics/clickhouse"
	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/internal/store"
	"chatbell/pipeline/ledger/rowcodec"
)

func TestMain(m *testing.M) { clickhousetest.Main(m) }

// at is the time of the tests' rows.
var at = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// memory is a log and its cursor in memory. It complains of a purge above the cursor.
type memory struct {
	t         testing.TB
	impatient bool // a read of nothing does not wait
	began     time.Time

	mu      sync.Mutex
	records []analytics.Record
	arrived chan struct{} // closed when a record comes
	cursor  store.Cursor
	purged  uint64
}

func newMemory(t testing.TB) *memory {
	return &memory{t: t, began: at, arrived: make(chan struct{})}
}

// put writes rows at a sequence.
func (m *memory) put(seq uint64, rows *chatbell.Results) {
	m.t.Helper()
	m.putRaw(seq, rowcodec.Encode(rows))
}

func (m *memory) putRaw(seq uint64, payload []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = append(m.records, analytics.Record{Sequence: seq, Payload: payload, Time: m.began.Add(time.Duration(seq))})
	close(m.arrived)
	m.arrived = make(chan struct{})
}

func (m *memory) Read(ctx context.Context, from uint64, limit int, wait time.Duration) ([]analytics.Record, error) {
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		m.mu.Lock()
		i := slices.IndexFunc(m.records, func(r analytics.Record) bool { return r.Sequence >= from })
		if i >= 0 {
			out := slices.Clone(m.records[i:min(i+limit, len(m.records))])
			m.mu.Unlock()
			return out, ctx.Err()
		}
		arrived := m.arrived
		m.mu.Unlock()
		if m.impatient {
			return nil, ctx.Err()
		}
		select {
		case <-arrived:
		case <-over.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (m *memory) Purge(_ context.Context, before uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before > m.cursor.Done+1 {
		m.t.Errorf("purged before %d, but only %d is recorded", before, m.cursor.Done)
	}
	m.purged = before
	m.records = slices.DeleteFunc(m.records, func(r analytics.Record) bool { return r.Sequence < before })
	return nil
}

func (m *memory) RecorderCursor(ctx context.Context) (store.Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursor, ctx.Err()
}

func (m *memory) PutRecorderCursor(ctx context.Context, c store.Cursor) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Done < m.cursor.Done {
		m.t.Errorf("the cursor went back from %d to %d", m.cursor.Done, c.Done)
	}
	if ctx.Err() == nil {
		m.cursor = c
	}
	return ctx.Err()
}

func (m *memory) done() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursor.Done
}

// last is the newest record's number.
func (m *memory) last() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records[len(m.records)-1].Sequence
}

// tables is a database that tells what it has of a network, one line for each row and
// one for the roll-up, in order.
type tables interface {
	analytics.Sink
	lines(network chatbell.NetworkID) []string
}

func deliveryLine(d *chatbell.Delivery) string { return fmt.Sprintf("d %s %d", d.DeliveryID, d.Replay) }
func attemptLine(a *chatbell.Attempt) string   { return fmt.Sprintf("a %s %d", a.DeliveryID, a.Number) }
func eventLine(e *chatbell.AcceptedEvent) string {
	return fmt.Sprintf("e %s %s", e.Network, e.EventID)
}

// linesOf is what a database has to tell that has these rows.
func linesOf(rows *chatbell.Results) []string {
	var out []string
	latency := 0
	for i := range rows.Deliveries {
		out = append(out, deliveryLine(&rows.Deliveries[i]))
		latency += int(rows.Deliveries[i].LatencyMS)
	}
	for i := range rows.Attempts {
		out = append(out, attemptLine(&rows.Attempts[i]))
	}
	for i := range rows.Events {
		out = append(out, eventLine(&rows.Events[i]))
	}
	if len(rows.Deliveries) > 0 {
		out = append(out, fmt.Sprintf("roll-up %d %d", len(rows.Deliveries), latency))
	}
	slices.Sort(out)
	return out
}

// model is what a Sink promises. The tests that also run on the engine check that the
// model is right.
type model struct {
	mu   sync.Mutex
	rows chatbell.Results
}

func newModel() *model { return &model{} }

// Insert takes all: nobody has begun the block.
func (m *model) Insert(ctx context.Context, _ string, rows *chatbell.Results) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows.Deliveries = append(m.rows.Deliveries, rows.Deliveries...)
	m.rows.Attempts = append(m.rows.Attempts, rows.Attempts...)
	m.rows.Events = append(m.rows.Events, rows.Events...)
	return ctx.Err()
}

// Repeat takes what is not there.
func (m *model) Repeat(ctx context.Context, _ string, rows *chatbell.Results) error {
	known, err := m.Known(ctx, rows)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range rows.Deliveries {
		if _, ok := known.Deliveries[analytics.DeliveryKey{ID: d.DeliveryID, Replay: d.Replay}]; !ok {
			m.rows.Deliveries = append(m.rows.Deliveries, d)
		}
	}
	for _, a := range rows.Attempts {
		if _, ok := known.Attempts[analytics.AttemptKey{ID: a.DeliveryID, Number: a.Number}]; !ok {
			m.rows.Attempts = append(m.rows.Attempts, a)
		}
	}
	for _, e := range rows.Events {
		if _, ok := known.Events[analytics.EventKey{Network: e.Network, ID: e.EventID}]; !ok {
			m.rows.Events = append(m.rows.Events, e)
		}
	}
	return ctx.Err()
}

// Known tells everything that is there, which is more than was asked for.
func (m *model) Known(context.Context, *chatbell.Results) (*analytics.Known, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := &analytics.Known{Deliveries: map[analytics.DeliveryKey]struct{}{}, Attempts: map[analytics.AttemptKey]struct{}{}, Events: map[analytics.EventKey]struct{}{}}
	for _, d := range m.rows.Deliveries {
		k.Deliveries[analytics.DeliveryKey{ID: d.DeliveryID, Replay: d.Replay}] = struct{}{}
	}
	for _, a := range m.rows.Attempts {
		k.Attempts[analytics.AttemptKey{ID: a.DeliveryID, Number: a.Number}] = struct{}{}
	}
	for _, e := range m.rows.Events {
		k.Events[analytics.EventKey{Network: e.Network, ID: e.EventID}] = struct{}{}
	}
	return k, nil
}

func (m *model) lines(chatbell.NetworkID) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return linesOf(&m.rows)
}

// realTables are ClickHouse.
type realTables struct {
	*clickhouse.Store
	engine *clickhousetest.Engine
}

func newReal(t *testing.T, e *clickhousetest.Engine) *realTables {
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
	return &realTables{s, e}
}

func (r *realTables) lines(network chatbell.NetworkID) []string {
	answer := r.engine.Query(strings.ReplaceAll(`SELECT concat('d ', toString(delivery_id), ' ', toString(replay)) FROM {db}.deliveries WHERE network = $
		UNION ALL SELECT concat('a ', toString(delivery_id), ' ', toString(number)) FROM {db}.attempts WHERE network = $
		UNION ALL SELECT concat('e ', network, ' ', event_id) FROM {db}.events WHERE network = $
		UNION ALL SELECT concat('roll-up ', toString(sum(deliveries)), ' ', toString(sum(latency_ms_sum))) FROM {db}.deliveries_hourly WHERE network = $ GROUP BY network`,
		"$", "'"+string(network)+"'"))
	var out []string
	if answer != "" {
		out = strings.Split(answer, "\n")
	}
	slices.Sort(out)
	return out
}

// row makes the n-th row of each table.
func row(network chatbell.NetworkID, n int) *chatbell.Results {
	event := chatbell.EventID(fmt.Sprint("e", n))
	id := chatbell.NewDeliveryID(network, event, "rule", "", "bob", "apns:phone")
	return &chatbell.Results{
		Deliveries: []chatbell.Delivery{{
			Network: network, EventID: event, EventType: "message.created", DeliveryID: id, Target: "apns", Outcome: "accepted",
			EventTime: at, AcceptedAt: at.Add(time.Duration(n%7) * time.Hour), FinishedAt: at, LatencyMS: uint32(n + 1), Source: "event",
		}},
		Attempts: []chatbell.Attempt{{Network: network, EventID: event, DeliveryID: id, Target: "apns", Number: uint32(n%3 + 1), At: at, Outcome: "accepted"}},
		Events:   []chatbell.AcceptedEvent{{Network: network, EventID: event, EventTime: at, AcceptedAt: at, Source: "event"}},
	}
}

// rows puts several together; maybe marks them as possible repeats.
func rows(network chatbell.NetworkID, maybe bool, numbers ...int) *chatbell.Results {
	all := &chatbell.Results{MaybeRepeat: maybe}
	for _, n := range numbers {
		r := row(network, n)
		all.Deliveries = append(all.Deliveries, r.Deliveries...)
		all.Attempts = append(all.Attempts, r.Attempts...)
		all.Events = append(all.Events, r.Events...)
	}
	return all
}

// faults says for each step of the recorder whether it fails there.
type faults func(step string) error

var errFault = errors.New("a fault for the test")

// faulty is a world in which each step may fail, before it was done or after.
type faulty struct {
	*memory
	sink analytics.Sink
	at   faults
}

func (f faulty) Read(ctx context.Context, from uint64, limit int, wait time.Duration) ([]analytics.Record, error) {
	if err := f.at("read"); err != nil {
		return nil, err
	}
	return f.memory.Read(ctx, from, limit, wait)
}

func (f faulty) Purge(ctx context.Context, before uint64) error {
	return f.around("purge", func() error { return f.memory.Purge(ctx, before) })
}

func (f faulty) RecorderCursor(ctx context.Context) (store.Cursor, error) {
	if err := f.at("read cursor"); err != nil {
		return store.Cursor{}, err
	}
	return f.memory.RecorderCursor(ctx)
}

func (f faulty) PutRecorderCursor(ctx context.Context, c store.Cursor) error {
	return f.around("put cursor", func() error { return f.memory.PutRecorderCursor(ctx, c) })
}

func (f faulty) Known(ctx context.Context, rows *chatbell.Results) (*analytics.Known, error) {
	if err := f.at("known"); err != nil {
		return nil, err
	}
	return f.sink.Known(ctx, rows)
}

func (f faulty) Insert(ctx context.Context, token string, rows *chatbell.Results) error {
	return f.tableByTable(ctx, token, rows, f.sink.Insert)
}

func (f faulty) Repeat(ctx context.Context, token string, rows *chatbell.Results) error {
	return f.tableByTable(ctx, token, rows, f.sink.Repeat)
}

// tableByTable writes a block as the store does.
func (f faulty) tableByTable(ctx context.Context, token string, rows *chatbell.Results, write func(context.Context, string, *chatbell.Results) error) error {
	for _, part := range []*chatbell.Results{{Deliveries: rows.Deliveries}, {Attempts: rows.Attempts}, {Events: rows.Events}} {
		if err := f.around("insert", func() error { return write(ctx, token, part) }); err != nil {
			return err
		}
	}
	return nil
}

func (f faulty) around(step string, do func() error) error {
	if err := f.at("before " + step); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return f.at("after " + step)
}

// recorder makes one; a crash is to drop it and to make another.
func (f faulty) recorder(t testing.TB) *analytics.Recorder {
	t.Helper()
	r, err := analytics.New(analytics.Config{Log: f, Cursors: f, Sink: f, Flush: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// reporter is a *testing.T or a *rapid.T.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// check compares what a database has with what it has to have.
func check(t reporter, db tables, network chatbell.NetworkID, want *chatbell.Results) {
	t.Helper()
	got, expected := count(db.lines(network)), count(linesOf(want))
	if maps.Equal(got, expected) {
		return
	}
	for line, n := range expected {
		if got[line] != n {
			t.Errorf("%s is there %d times, want %d", line, got[line], n)
		}
	}
	for line, n := range got {
		if expected[line] == 0 {
			t.Errorf("%s is there %d times, and should not be", line, n)
		}
	}
}

func count(lines []string) map[string]int {
	out := map[string]int{}
	for _, line := range lines {
		out[line]++
	}
	return out
}
