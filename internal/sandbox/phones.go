package sandbox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Phone names a device for the view.
type Phone struct {
	// Token is the device token by which its notifications are known.
	Token string
	// Label is what the phone is called, for example alice-iphone; Owner is the person;
	// Locale its language. Any may be empty.
	Label, Owner, Locale string
}

// title is what stands above a phone.
func (p *Phone) title() string {
	var parts []string
	for _, text := range []string{p.Owner, p.Label, p.Locale} {
		if text = clean(text); text != "" {
			parts = append(parts, text)
		}
	}
	if len(parts) == 0 {
		return cut(clean(p.Token), 16)
	}
	return strings.Join(parts, " · ")
}

// Phones is what the screens of some phones show, and the last calls of webhooks. A
// notification with the collapse id of an earlier one takes its place. Not safe for
// concurrent use.
type Phones struct {
	// PerPhone bounds the notifications that a phone shows, the newest first; 0 means 3.
	PerPhone int

	phones  []*screen // in the order of NewPhones, then as they appeared
	byToken map[string]*screen
	hooks   []Webhook
	calls   int
}

// screen is one phone with what it shows.
type screen struct {
	Phone
	shown []Notification // newest first, at most maxShown
	more  int            // older ones that are not kept
}

const (
	defaultPerPhone = 3
	// maxShown bounds what one phone remembers, so that a collapse id can find it.
	maxShown = 50
	// maxPhones bounds the phones that nobody named: more do not fit on any screen.
	maxPhones = 24
	// maxHooks is how many calls of webhooks are shown.
	maxHooks = 3
)

// NewPhones makes a view of these phones, and of others as they appear.
func NewPhones(phones ...Phone) *Phones {
	p := &Phones{byToken: map[string]*screen{}}
	for _, one := range phones {
		p.phone(one)
	}
	return p
}

func (p *Phones) phone(x Phone) *screen {
	scr := &screen{Phone: x}
	p.phones = append(p.phones, scr)
	p.byToken[x.Token] = scr
	return scr
}

// Add shows a notification on its phone and returns that phone's name and whether an
// earlier notification was replaced.
func (p *Phones) Add(n Notification) (phone string, replaced bool) {
	scr := p.byToken[n.Device]
	if scr == nil {
		if len(p.phones) >= maxPhones {
			return (&Phone{Token: n.Device}).title(), false
		}
		scr = p.phone(Phone{Token: n.Device})
	}
	n.Payload = nil // it is not shown, and need not be kept
	same := func(old Notification) bool { return n.CollapseID != "" && old.CollapseID == n.CollapseID }
	before := len(scr.shown)
	scr.shown = slices.DeleteFunc(scr.shown, same)
	replaced = len(scr.shown) < before
	scr.shown = slices.Insert(scr.shown, 0, n)
	if len(scr.shown) > maxShown {
		scr.shown = scr.shown[:maxShown]
		scr.more++
	}
	return scr.title(), replaced
}

// AddWebhook shows a call of a webhook.
func (p *Phones) AddWebhook(w Webhook) {
	p.calls++
	p.hooks = slices.Insert(p.hooks, 0, w)
	if len(p.hooks) > maxHooks {
		p.hooks = p.hooks[:maxHooks]
	}
}

// Widths of one box, borders included, in columns of the terminal.
const (
	minBox = 36
	gap    = 2
)

// Render draws the phones side by side as far as the width allows, and below them
// the last calls of webhooks. Every line ends with a newline and none is wider than
// the width, as long as that is at least 20.
func (p *Phones) Render(width int) string {
	width = max(width, 20)
	columns := max(1, (width+gap)/(minBox+gap))
	box := (width - gap*(columns-1)) / columns
	var out strings.Builder
	for row := range slices.Chunk(p.phones, columns) {
		p.renderRow(&out, row, box)
	}
	if p.calls > 0 {
		fmt.Fprintf(&out, "%s\n", cut(fmt.Sprintf("Webhook calls: %d", p.calls), width))
		for i := range p.hooks {
			fmt.Fprintf(&out, "%s\n", cut("  "+p.hooks[i].line(), width))
		}
	}
	return out.String()
}

// renderRow draws phones side by side, as high as the highest.
func (p *Phones) renderRow(b *strings.Builder, row []*screen, box int) {
	inner := box - 4 // borders and a space beside each
	contents := make([][]string, len(row))
	height := 0
	for i, scr := range row {
		contents[i] = scr.lines(inner, cmp.Or(p.PerPhone, defaultPerPhone))
		height = max(height, len(contents[i]))
	}
	line := func(part func(i int) string) {
		parts := make([]string, len(row))
		for i := range row {
			parts[i] = part(i)
		}
		b.WriteString(strings.Join(parts, strings.Repeat(" ", gap)))
		b.WriteByte('\n')
	}
	line(func(i int) string {
		title := cut(row[i].title(), inner-1)
		return "╭─ " + title + " " + strings.Repeat("─", inner-1-width(title)) + "╮"
	})
	for y := range height {
		line(func(i int) string {
			text := ""
			if y < len(contents[i]) {
				text = contents[i][y]
			}
			return "│ " + pad(text, inner) + " │"
		})
	}
	line(func(int) string { return "╰" + strings.Repeat("─", box-2) + "╯" })
}

// lines is a phone's content: for each notification time and title, the body in at
// most two lines, and the app.
func (s *screen) lines(inner, most int) []string {
	if len(s.shown) == 0 {
		return []string{"(nothing yet)"}
	}
	var out []string
	for i := range s.shown {
		if i == most {
			break
		}
		note := &s.shown[i]
		clock := note.Time.Format("15:04")
		indent := strings.Repeat(" ", len(clock)+1)
		text := inner - len(indent)
		title := clean(note.Title)
		body := clean(note.Body)
		out = append(out, clock+" "+side(cut(title, text), isRTL(title), text))
		for _, line := range wrap(body, text, 2) {
			out = append(out, indent+side(line, isRTL(body), text))
		}
		if note.App != "" {
			out = append(out, indent+cut("via "+clean(note.App), text))
		}
	}
	if hidden := len(s.shown) - most + s.more; hidden > 0 {
		out = append(out, cut(fmt.Sprintf("and %d more", hidden), inner))
	}
	return out
}

// line tells of a webhook call.
func (w *Webhook) line() string {
	signed := "signed"
	if w.Standard == SignatureInvalid || w.Amity == SignatureInvalid {
		signed = "WRONG SIGNATURE"
	} else if w.Standard == SignatureMissing && w.Amity == SignatureMissing {
		signed = "UNSIGNED"
	}
	event, people, text := w.describe()
	value := fmt.Sprintf("%s %s %s", w.Time.Format("15:04"), clean(w.Hook), clean(event))
	if people > 0 {
		value += fmt.Sprintf(" for %d", people)
	}
	value += fmt.Sprintf(", %s, try %d, ", signed, w.Attempt)
	if w.Status == 0 {
		value += "not answered"
	} else {
		value += fmt.Sprintf("answered %d", w.Status)
	}
	if text != "" {
		value += ": " + clean(text)
	}
	return value
}

// line is a notification in one line, for outputs that cannot be redrawn.
func (n *Notification) line(phone string, replaced bool) string {
	text := fmt.Sprintf("%s %s: %s", n.Time.Format(time.TimeOnly), phone, clean(n.Title))
	if n.Body != "" {
		text += " | " + clean(n.Body)
	}
	if n.App != "" {
		text += " (" + clean(n.App) + ")"
	}
	if replaced {
		text += " [replaces an earlier one]"
	}
	return text
}
