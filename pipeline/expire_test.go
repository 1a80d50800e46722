package pipeline_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/work"
)

// An event that waited (held while ClickHouse was away, or behind a process that was
// down) for longer than it is worth a push is not pushed, and has a row that says so.
func TestExpiredBeforeTheFirstTry(t *testing.T) {
	s := start(t, nil) // PushExpire is an hour
	s.device("b", "tb", "")
	env := chatbell.Envelope{Network: "acme", Event: created("1", "a", "b"), AcceptedAt: time.Now().Add(-2 * time.Hour), Source: chatbell.SourceEvent}
	data, err := json.Marshal(env)
	check(t, err)
	m := message.NewMessage("1", data)
	work.SetKey(m, env.Key())
	check(t, s.broker.Publisher().Publish(work.Subject(work.StreamEvents, env.Key(), "acme"), m))
	s.wait(1)
	if got := s.outcomes(); got["b apns expired /expired"] != 1 || len(s.phone.all()) != 0 {
		t.Errorf("outcomes %v, %d pushes", got, len(s.phone.all()))
	}
}
