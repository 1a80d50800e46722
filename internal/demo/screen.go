package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"chatbell/internal/sandbox"
)

// screen shows the day: on a terminal as phones with a progress bar above them, drawn
// anew; elsewhere as lines. Safe for concurrent use.
type screen struct {
	out    io.Writer
	size   func() (columns, lines int) // nil: not a terminal
	mu     sync.Mutex
	phones *sandbox.Phones
	total  int
	at     int
	now    string
}

func newScreen(out io.Writer, size func() (int, int), phones []phone, steps int) *screen {
	list := make([]sandbox.Phone, len(phones))
	for i, one := range phones {
		list[i] = sandbox.Phone{Token: one.Token, Label: one.DeviceID, Owner: one.Owner, Locale: one.Locale}
	}
	return &screen{out: out, size: size, phones: sandbox.NewPhones(list...), total: steps}
}

// step shows that the day goes on.
func (s *screen) step(x *step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at++
	s.now = x.Time + "  " + x.Say
	if s.size == nil {
		fmt.Fprintf(s.out, "[%2d/%d] %s\n", s.at, s.total, s.now)
		return
	}
	s.draw()
}

// arrived shows what came to a phone or a webhook.
func (s *screen) arrived(arrival sandbox.Arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case arrival.Notification != nil:
		n := arrival.Notification
		name, _ := s.phones.Add(*n)
		if s.size == nil {
			fmt.Fprintf(s.out, "        → %s: %s | %s\n", name, n.Title, n.Body)
		}
	case arrival.Webhook != nil:
		s.phones.AddWebhook(*arrival.Webhook)
		if s.size == nil {
			fmt.Fprintf(s.out, "        → webhook %s (signature %s): %s\n", arrival.Webhook.Hook, arrival.Webhook.Standard, hookLine(arrival.Webhook.Body))
		}
	}
	if s.size != nil {
		s.draw()
	}
}

// hookLine is a webhook's body in short.
func hookLine(body []byte) string {
	var b struct {
		EventType string `json:"eventType"`
		Event     string `json:"event"`
		Data      struct {
			Title     string   `json:"title"`
			Body      string   `json:"body"`
			TargetIDs []string `json:"targetIds"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return "a body that is not JSON"
	}
	if b.Event != "" {
		return b.Event
	}
	return fmt.Sprintf("%s for %s: %s | %s", b.EventType, strings.Join(b.Data.TargetIDs, ", "), b.Data.Title, b.Data.Body)
}

const clearScreen = "\x1b[H\x1b[2J"

// draw draws everything anew. The lock is held.
func (s *screen) draw() {
	columns, _ := s.size()
	width := max(columns, 40)
	bar := width - 12
	done := bar * s.at / max(s.total, 1)
	fmt.Fprintf(s.out, "%s[%s%s] %3d %%\n%s\n\n%s", clearScreen, strings.Repeat("█", done), strings.Repeat("░", bar-done),
		100*s.at/max(s.total, 1), s.now, s.phones.Render(width))
}
