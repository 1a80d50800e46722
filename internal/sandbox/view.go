package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"time"
)

// View shows phones live: on a terminal as boxes that are drawn anew when something
// arrives, elsewhere as one line for each arrival.
type View struct {
	// Out is where it is written.
	Out io.Writer
	// Phones are named beforehand; others appear as they get something. Nil means none.
	Phones *Phones
	// Size is asked for the terminal's columns and lines before each drawing; nil means
	// that Out is not a terminal. No lines (0) means that there is no bound.
	Size func() (columns, lines int)
	// Every is the least time between two drawings; 0 means 50 ms, which looks live and
	// costs little when thousands arrive.
	Every time.Duration
}

const defaultEvery = 50 * time.Millisecond

// Run shows what arrives until the arrivals end or writing fails. Arrivals usually
// come from [Server.Follow], and end with the context given there; that context is
// to be ended when Run returns an error.
func (v *View) Run(ctx context.Context, arrivals iter.Seq[Arrival]) error {
	if v.Phones == nil {
		v.Phones = NewPhones()
	}
	if v.Size == nil {
		return v.runLines(ctx, arrivals)
	}
	return v.runBoxes(ctx, arrivals)
}

func (v *View) runLines(ctx context.Context, arrivals iter.Seq[Arrival]) error {
	for arrival := range arrivals {
		if ctx.Err() != nil {
			return nil
		}
		var line string
		switch {
		case arrival.Notification != nil:
			phone, replaced := v.Phones.Add(*arrival.Notification)
			line = arrival.Notification.line(phone, replaced)
		case arrival.Webhook != nil:
			v.Phones.AddWebhook(*arrival.Webhook)
			line = "webhook " + arrival.Webhook.line()
		default:
			line = missed(arrival.Missed)
		}
		if _, err := fmt.Fprintln(v.Out, line); err != nil {
			return fmt.Errorf("show an arrival: %w", err)
		}
	}
	return nil
}

func missed(n uint64) string { return fmt.Sprintf("(%d arrivals came too fast to be shown)", n) }

// painter draws the boxes; its goroutine and the reader share it.
type painter struct {
	*View
	mu     sync.Mutex
	dirty  bool
	missed uint64
	height int // lines of the last drawing
	err    error
}

func (v *View) runBoxes(ctx context.Context, arrivals iter.Seq[Arrival]) error {
	paint := &painter{View: v, dirty: true} // the empty phones are drawn first
	every := v.Every
	if every <= 0 {
		every = defaultEvery
	}
	ctx, cancel := context.WithCancel(ctx)
	var drawing sync.WaitGroup
	drawing.Go(func() { paint.drawEvery(ctx, every) })
	for arrival := range arrivals {
		if ctx.Err() != nil || !paint.add(arrival) {
			break
		}
	}
	cancel()
	drawing.Wait()
	paint.draw()
	return paint.err
}

func (p *painter) drawEvery(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for p.draw() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *painter) add(arrival Arrival) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case arrival.Notification != nil:
		p.Phones.Add(*arrival.Notification)
	case arrival.Webhook != nil:
		p.Phones.AddWebhook(*arrival.Webhook)
	default:
		p.missed += arrival.Missed
	}
	p.dirty = true
	return p.err == nil
}

// picture is what fits on the terminal: a drawing that is higher cannot be drawn
// over. First phones show less, then the end is left out.
func (p *painter) picture() string {
	columns, lines := p.Size()
	phones := *p.Phones
	phones.PerPhone = cmp.Or(phones.PerPhone, defaultPerPhone)
	for {
		picture := phones.Render(columns)
		if p.missed > 0 {
			picture += cut(missed(p.missed), columns) + "\n"
		}
		if lines <= 0 || strings.Count(picture, "\n") < lines { // the cursor needs the last one
			return picture
		}
		if phones.PerPhone == 1 {
			all := strings.SplitAfter(picture, "\n")
			return strings.Join(all[:max(0, lines-1)], "")
		}
		phones.PerPhone--
	}
}

// draw writes over the last drawing, if something changed.
func (p *painter) draw() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dirty || p.err != nil {
		return p.err == nil
	}
	picture := p.picture()
	var out strings.Builder
	if p.height > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", p.height) // up to where the last drawing began
	}
	out.WriteString("\r\x1b[J") // clear from here down
	out.WriteString(picture)
	if _, err := io.WriteString(p.Out, out.String()); err != nil {
		p.err = fmt.Errorf("draw the phones: %w", err)
	}
	p.dirty = false
	p.height = strings.Count(picture, "\n")
	return p.err == nil
}
