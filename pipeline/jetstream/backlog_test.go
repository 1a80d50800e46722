package jetstream

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"chatbell/internal/polltest"
)

// leaderless answers for one stream of a cluster only when the caller's patience ends.
type leaderless struct {
	jetstream.JetStream
	stream string
	asked  chan struct{}
}

func (l leaderless) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	if name != l.stream {
		return l.JetStream.Stream(ctx, name)
	}
	close(l.asked)
	<-ctx.Done()
	return nil, ctx.Err()
}

// A stream without a leader holds up those who ask for it, and nobody else.
func TestBacklogHoldsUpNobody(t *testing.T) {
	b, err := Open(t.Context(), Config{Dir: t.TempDir(), Streams: []Stream{{Name: "EVENTS"}, {Name: "RESULTS"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	asked := make(chan struct{})
	b.js = leaderless{b.js, "RESULTS", asked}
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan struct{})
	go func() { _, _ = b.Backlog(ctx, "RESULTS"); close(gaveUp) }()
	<-asked
	ok := make(chan struct{})
	go func() {
		b.SequenceAtOpen("EVENTS") // asked for each message that is handed out
		_, _ = b.Backlog(t.Context(), "EVENTS")
		close(ok)
	}()
	select {
	case <-ok:
	case <-time.After(polltest.Patience):
		t.Error("EVENTS stands still because RESULTS does not answer")
	}
	cancel()
	<-gaveUp
	<-ok
}
