package pipeline

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline/push"
)

// ledger answers for ClickHouse.
type ledger struct{ done map[chatbell.UUID]struct{} }

func (*ledger) CatchUp(context.Context, bool) error { return nil }
func (l *ledger) Recorded(context.Context, []chatbell.UUID) (map[chatbell.UUID]struct{}, error) {
	return l.done, nil
}

func (l *ledger) Touched(context.Context, time.Time, int) (map[EventKey]struct{}, bool, error) {
	out := map[EventKey]struct{}{}
	if len(l.done) > 0 {
		out[EventKey{"acme", "e"}] = struct{}{}
	}
	return out, true, nil
}

type oneNetwork struct{ n *Network }

func (n oneNetwork) Network(chatbell.NetworkID) (*Network, bool) { return n.n, true }

type countingPhone struct{ sent atomic.Int32 }

func (*countingPhone) Prepare(*push.Notification) (push.Payload, error) { return nil, nil } //nolint:nilnil // a test
func (p *countingPhone) Send(context.Context, push.Payload, push.Target) (push.Receipt, error) {
	p.sent.Add(1)
	return push.Receipt{Status: 200}, nil
}

type nothing struct{}

func (nothing) Handled(string, time.Duration, bool)                       {}
func (nothing) Tried(chatbell.TargetKind, chatbell.Reason, time.Duration) {}
func (nothing) Publish(string, ...*message.Message) error                 { return nil }
func (nothing) Close() error                                              { return nil }

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
	net := oneNetwork{&Network{ID: "acme", Pushers: map[Credential]push.Notifier{{chatbell.ProviderAPNs, "chat"}: phone}}}
	book := &ledger{}
	writer := NewResultWriter(nothing{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go writer.Run(ctx)
	d := &deliverer{
		networks: net, rechecks: s, repeats: &repeats{recorded: book}, boot: "new", now: time.Now,
		sender: &sender{devices: s, retry: DefaultRetry(), now: time.Now, log: slog.New(slog.DiscardHandler), metrics: nothing{}, results: writer, queues: map[Destination]*queue{}},
	}
	batch := func() *Batch {
		return &Batch{
			Notification: chatbell.Notification{Network: "acme", EventID: "e", AcceptedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)},
			Destination:  Destination{Network: "acme", Provider: chatbell.ProviderAPNs, App: "chat"},
			Texts:        []chatbell.Text{{Locale: "en"}}, Targets: []Target{{User: "u", Device: "d", Token: "t"}},
		}
	}
	// The event, again: nothing of it is recorded yet, so it is sent, and recorded.
	b := batch()
	if err := d.repeats.drop(t.Context(), []*Batch{b}, false); err != nil || len(b.Targets) != 1 {
		t.Fatalf("%d targets are left, want 1: %v", len(b.Targets), err)
	}
	book.done = map[chatbell.UUID]struct{}{b.deliveryID(&b.Targets[0]): {}}
	// The retry of the killed process.
	b = batch()
	b.Boot, b.Targets[0].Attempts = "old", 1
	data, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.handle(message.NewMessage("1", data)); err != nil {
		t.Fatal(err)
	}
	if n := phone.sent.Load(); n != 0 {
		t.Errorf("it was sent %d times although its acceptance is recorded", n)
	}
}
