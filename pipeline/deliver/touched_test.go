package deliver

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/internal/polltest"
	"chatbell/internal/store"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/ledger/rowcodec"
	"chatbell/pipeline/push"
	"chatbell/pipeline/work"
)

// results is the end of a stream of results.
type results struct{ records []jetstream.Record }

func (r *results) add(rows *chatbell.Results) {
	r.records = append(r.records, jetstream.Record{Sequence: uint64(len(r.records) + 1), Payload: rowcodec.Encode(rows), Time: time.Now()})
}

func (r *results) Read(_ context.Context, from uint64, limit int) ([]jetstream.Record, error) {
	rest := r.records[from-1:]
	return rest[:min(limit, len(rest))], nil
}

func (r *results) At(context.Context, time.Time) (uint64, error) { return 1, nil }
func (r *results) Last(context.Context) (uint64, error)          { return uint64(len(r.records)), nil }
func (r *results) Opened() (uint64, time.Time)                   { return 0, time.Time{} }

type oneNetwork struct{ n *work.Network }

func (n oneNetwork) Network(chatbell.NetworkID) (*work.Network, bool) { return n.n, true }

type countingPhone struct{ sent atomic.Int32 }

func (*countingPhone) Prepare(*push.Content) (push.Payload, error) { return nil, nil }
func (p *countingPhone) Send(context.Context, push.Payload, push.Target) (push.Receipt, error) {
	p.sent.Add(1)
	return push.Receipt{Status: 200}, nil
}

type nothing struct{}

func (nothing) Tried(chatbell.TargetKind, chatbell.Outcome, chatbell.Reason, time.Duration) {}
func (nothing) Publish(string, ...*message.Message) error                                   { return nil }
func (nothing) Close() error                                                                { return nil }

// A process put a retry into the store and was killed before it acknowledged the event.
// The next one matches the event again, sends, and has that recorded; then the retry is
// due. Nobody is told twice.
func TestRetryOfKilledProcess(t *testing.T) {
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.RegisterDevice(t.Context(), "acme", chatbell.Device{ID: "d", User: "u", Provider: chatbell.ProviderAPNs, App: "chat", Token: "t"}); err != nil {
		t.Fatal(err)
	}
	phone := new(countingPhone)
	net := oneNetwork{&work.Network{ID: "acme", Pushers: map[work.Credential]push.Notifier{{Provider: chatbell.ProviderAPNs, App: "chat"}: phone}}}
	records := &results{}
	writer := ledger.NewWriter(nothing{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go writer.Run(ctx)
	done := ledger.New(records, time.Now)
	discard := slog.New(slog.DiscardHandler)
	d := NewDispatcher(Config{
		Networks: net, Devices: s, Eligibility: NewEligibility(s, time.Now), Waiting: s, Ledger: done, Results: writer, Retry: DefaultRetry(),
		Observer: nothing{}, Report: NewReport(discard, time.Now), Paused: func() bool { return false }, Instance: "new", Log: discard, Now: time.Now,
	})
	batch := func() *work.Batch {
		return &work.Batch{
			Notification: chatbell.Notification{Network: "acme", EventID: "e", AcceptedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)},
			Destination:  work.Destination{Network: "acme", Provider: chatbell.ProviderAPNs, App: "chat"},
			Texts:        []chatbell.Text{{Locale: "en"}}, Targets: []work.Target{{User: "u", Device: "d", Token: "t"}},
		}
	}
	// The event, again: nothing of it is recorded yet, so it is sent, and recorded.
	b := batch()
	if err := done.Drop(t.Context(), []*work.Batch{b}, jetstream.RedeliveredFromBefore); err != nil || len(b.Targets) != 1 {
		t.Fatalf("%d targets are left, want 1: %v", len(b.Targets), err)
	}
	records.add(&chatbell.Results{Deliveries: []chatbell.Delivery{b.Delivery(&b.Targets[0], chatbell.Accepted, "", nil, time.Now())}})
	// The retry of the killed process.
	b = batch()
	b.Instance = "old"
	b.Targets[0].Attempts = 1
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutWaiting(t.Context(), []store.Waiting{{
		ID: "retry", Destination: b.Destination.String(), Kind: chatbell.TargetAPNs, DueAt: time.Now(), Since: time.Now(), Payload: data,
	}}); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Run(running)
	}()
	polltest.Until(t, "nothing waits any more", func() bool {
		backlogs, err := s.Backlogs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(backlogs) == 0
	})
	stop()
	<-ended
	d.Finish(t.Context())
	if n := phone.sent.Load(); n != 0 {
		t.Errorf("it was sent %d times although its acceptance is recorded", n)
	}
}
