package jetstream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell/pipeline/jetstream"
)

// A reader that waits for a moment only, again and again, while messages come, gets
// each one in order and is never told that one is missing.
func TestReadLosesNothing(t *testing.T) {
	b := open(t, t.TempDir(), func(c *jetstream.Config) { c.Streams = []jetstream.Stream{{Name: "READ"}} })
	const n = 3000
	published := make(chan error, 1)
	go func() {
		p := b.Publisher()
		for i := range n {
			if err := p.Publish("READ", message.NewMessage(fmt.Sprint("m", i), fmt.Append(nil, i))); err != nil {
				published <- err
				return
			}
		}
		published <- nil
	}()
	next := uint64(1)
	for deadline := time.Now().Add(time.Minute); next <= n; {
		records, err := b.Read(t.Context(), "READ", next, 10, 500*time.Microsecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Sequence != next || string(r.Payload) != fmt.Sprint(next-1) {
				t.Fatalf("read %d (%s), want %d", r.Sequence, r.Payload, next)
			}
			next++
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d of %d came", next-1, n)
		}
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
}
