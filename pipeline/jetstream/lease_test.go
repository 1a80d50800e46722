package jetstream

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"chatbell/internal/polltest"
)

// external is a NATS server as it runs beside the product.
func external(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, JetStreamMaxStore: 1 << 40, StoreDir: filepath.Join(t.TempDir(), "nats"), NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(polltest.Patience) {
		t.Fatal("no NATS server")
	}
	return s.ClientURL()
}

// A second process on an external broker is refused with the name of the first, and before it
// changes a stream; when the first has ended it is let in at once.
func TestBrokerIsHeld(t *testing.T) {
	config := func(place string, limit int64) Config {
		return Config{Holder: Holder{Installation: place, Place: place, PID: 7}, Streams: []Stream{{Name: "WORK", MaxBytes: limit}}}
	}
	url := external(t)
	first := config("one.example:/data", 1<<20)
	first.URLs = []string{url}
	b, err := Open(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	second := config("two.example:/data", 1<<30)
	second.URLs = []string{url}
	_, err = Open(t.Context(), second)
	var held *HeldError
	if !errors.As(err, &held) || !strings.Contains(err.Error(), "process 7 of one.example:/data, since 20") || !strings.Contains(err.Error(), "configuration key broker") {
		t.Errorf("a second process is told %v", err)
	}
	if backlog, err := b.Backlog(t.Context(), "WORK"); err != nil || backlog.MaxBytes != 1<<20 {
		t.Errorf("it has changed the stream: %+v, %v", backlog, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b, err = Open(t.Context(), second)
	if err != nil {
		t.Fatalf("when the first has ended: %v", err)
	}
	if holder := b.held.self; holder.Epoch != 2 {
		t.Errorf("it is holder %d", holder.Epoch)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// leases is a bucket for leases, with places that want them.
func leases(t *testing.T) (acquireAt func(place string) (*Lease, error)) {
	t.Helper()
	b, err := Open(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	kv, err := b.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: leaseBucket})
	if err != nil {
		t.Fatal(err)
	}
	return func(place string) (*Lease, error) {
		return acquire(t.Context(), kv, Holder{Installation: "i", Place: place}, time.Second, slog.New(slog.DiscardHandler))
	}
}

// kill ends the renewing as a killed process does.
func (l *Lease) kill() {
	close(l.stop)
	<-l.done
}

// The lease of a killed process ends when it was not renewed for its time, and at once for
// the process that follows at the same place.
func TestLeaseOfTheDead(t *testing.T) {
	at := leases(t)
	first, err := at("one")
	if err != nil {
		t.Fatal(err)
	}
	first.kill()
	begun := time.Now()
	again, err := at("one")
	if err != nil || time.Since(begun) > time.Second/2 {
		t.Fatalf("the next process at the same place: %v, after %v", err, time.Since(begun))
	}
	again.kill()
	begun = time.Now()
	other, err := at("two")
	if err != nil || time.Since(begun) < time.Second {
		t.Fatalf("another place: %v, after %v", err, time.Since(begun))
	}
	other.close()
}

// A process that was frozen for longer than its lease lasts, and whose broker was taken over,
// is told so, and leaves the lease alone.
func TestLeaseIsLost(t *testing.T) {
	at := leases(t)
	frozen, err := at("one")
	if err != nil {
		t.Fatal(err)
	}
	frozen.kill()
	next, err := at("two")
	if err != nil {
		t.Fatal(err)
	}
	frozen.stop = make(chan struct{})
	frozen.done = make(chan struct{})
	go frozen.keep() // it wakes up
	if err := polltest.Receive(t, "it is told", frozen.lost); !errors.Is(err, ErrLeaseLost) || !strings.Contains(err.Error(), "of two") {
		t.Errorf("it is told %v", err)
	}
	frozen.close()
	if holder, _, err := holderOf(t.Context(), next.kv); err != nil || holder.Token != next.self.Token || holder.Released {
		t.Errorf("the lease is %+v, %v", holder, err)
	}
	if _, err := at("three"); err == nil {
		t.Error("a third process gets in")
	}
	next.close()
}

// A beat whose answer was lost is no loss of the lease.
func TestLostAnswerOfABeat(t *testing.T) {
	at := leases(t)
	lease, err := at("one")
	if err != nil {
		t.Fatal(err)
	}
	lease.kill()
	before := lease.rev
	if err := lease.renew(); err != nil {
		t.Fatal(err)
	}
	lease.rev = before // nobody told that it was written
	for range 2 {
		if err := lease.renew(); err != nil {
			t.Errorf("the lease is lost: %v", err)
		}
	}
	if holder, rev, err := holderOf(t.Context(), lease.kv); err != nil || rev != lease.rev || holder.Beats != lease.self.Beats {
		t.Errorf("the lease is %+v at %d, %v; want %d", holder, rev, err, lease.rev)
	}
}
