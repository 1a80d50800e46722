package jetstream

import (
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// What is kept although it was read leaves room for what comes: no more than an eighth of
// the stream's limit, and of that the newest.
func TestKeptLeavesRoom(t *testing.T) {
	const limit, messages, size = 800_000, 200, 1000
	b, err := Open(t.Context(), Config{Dir: t.TempDir(), Streams: []Stream{{Name: "WORK", MaxBytes: limit}}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var highest int64
	for i := range messages {
		if err := b.Publisher().Publish("WORK", message.NewMessage(fmt.Sprint(i), make([]byte, size))); err != nil {
			t.Fatal(err)
		}
		if err := b.PurgeOld(t.Context(), "WORK", uint64(i+2), time.Hour, 1<<30); err != nil {
			t.Fatal(err)
		}
		now, err := b.backlog(t.Context(), "WORK", nil)
		if err != nil {
			t.Fatal(err)
		}
		highest = max(highest, now.Bytes)
		if now.LastSeq != uint64(i+1) || now.Messages == 0 {
			t.Fatalf("after %d messages: %+v", i+1, now)
		}
	}
	if highest > limit/8 || highest < limit/16 {
		t.Errorf("up to %d bytes of %d were kept", highest, limit)
	}
}
