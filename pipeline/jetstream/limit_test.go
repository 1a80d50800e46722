package jetstream_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/pipeline/jetstream"
)

// A limit below what a stream holds is refused: the broker would drop what nobody has
// handled yet. Dead letters are dropped from the oldest, whatever the limit.
func TestSmallerLimitDropsNothing(t *testing.T) {
	dir := t.TempDir()
	limit := func(bytes int64) jetstream.Config {
		return jetstream.Config{
			Dir: dir, Streams: []jetstream.Stream{{Name: "WORK", MaxBytes: bytes}}, DeadLetterBytes: bytes,
		}
	}
	b, err := jetstream.Open(t.Context(), limit(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(strings.Repeat("x", 100<<10))
	for range 5 {
		if err := b.Publisher().Publish("WORK", message.NewMessage("", payload)); err != nil {
			t.Fatal(err)
		}
		if err := b.Publisher().Publish(jetstream.DeadLetters, message.NewMessage("", payload)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := jetstream.Open(t.Context(), limit(300<<10)); !errors.Is(err, jetstream.ErrHoldsMore) || !strings.Contains(err.Error(), "WORK") {
		t.Fatalf("a limit below what the stream holds: %v", err)
	}
	b, err = jetstream.Open(t.Context(), limit(600<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if last, err := b.LastSequence(t.Context(), "WORK"); err != nil || last != 5 {
		t.Errorf("the stream ends at %d, %v", last, err)
	}
	backlog, err := b.Backlog(t.Context(), "WORK")
	if err != nil || backlog.Bytes < 5*100<<10 || backlog.MaxBytes != 600<<10 {
		t.Errorf("the stream holds %+v, %v", backlog, err)
	}
}

// A stream that is made anew begins where its owner says; one that is there goes on, whatever
// its owner says and how often it is opened.
func TestFirstSequence(t *testing.T) {
	dir := t.TempDir()
	for i, first := range []uint64{1000, 0, 5, 2000} {
		b, err := jetstream.Open(t.Context(), jetstream.Config{Dir: dir, Streams: []jetstream.Stream{{Name: "WORK", FirstSequence: first}}})
		if err != nil {
			t.Fatal(err)
		}
		last := func(want int) {
			t.Helper()
			if got, err := b.LastSequence(t.Context(), "WORK"); err != nil || got != uint64(want) {
				t.Errorf("opened for %d: the stream ends at %d, %v; want %d", first, got, err, want)
			}
		}
		last(999 + i)
		if err := b.Publisher().Publish("WORK", message.NewMessage("", []byte("x"))); err != nil {
			t.Fatal(err)
		}
		last(1000 + i)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
