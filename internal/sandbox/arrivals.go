package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"sync"
	"time"
)

// Notification is an accepted push, as the device would show it.
type Notification struct {
	// Seq orders everything that arrived at the sandbox.
	Seq uint64 `json:"seq"`
	// Time is when it arrived.
	Time     time.Time `json:"time"`
	Provider string    `json:"provider"`
	// Device is the token.
	Device string `json:"device"`
	// App is APNs' topic; FCM's messages name no app.
	App   string `json:"app,omitempty"`
	Title string `json:"title"`
	Body  string `json:"body"`
	// CollapseID is apns-collapse-id or the notification's tag: a later notification of
	// the same device with the same one replaces this one.
	CollapseID  string            `json:"collapse_id,omitempty"`
	ProviderID  string            `json:"provider_id"`
	TraceParent string            `json:"traceparent,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	// Payload is what was sent, with the envelope at FCM.
	Payload json.RawMessage `json:"payload"`
}

// Arrival is one thing that arrived: a notification or a webhook call.
type Arrival struct {
	Notification *Notification `json:"notification,omitempty"`
	Webhook      *Webhook      `json:"webhook,omitempty"`
	// Missed is how many were forgotten before the reader came to them.
	Missed uint64 `json:"missed,omitempty"`
}

// stored is what is kept of an arrival. A payload is looked into when it is read.
type stored struct {
	seq  uint64
	at   time.Time
	push *storedPush
	hook *Webhook // immutable once it is stored
}

type storedPush struct {
	provider, device, id, app, collapse, trace string
	headers                                    map[string]string
	payload                                    []byte
}

// arrivals is a ring of the newest arrivals.
type arrivals struct {
	keep int

	mu    sync.Mutex
	ring  []stored // grows up to keep, then the oldest is overwritten
	first uint64   // sequence of the oldest that is kept
	next  uint64   // sequence of the next one
	wake  chan struct{}
}

func newArrivals(keep int) *arrivals {
	if keep <= 0 {
		keep = defaultKeep
	}
	return &arrivals{keep: keep, first: 1, next: 1}
}

func (a *arrivals) add(one stored) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one.seq = a.next
	if one.hook != nil {
		h := *one.hook
		h.Seq = one.seq
		one.hook = &h
	}
	if i := int((one.seq - 1) % uint64(a.keep)); i < len(a.ring) {
		a.ring[i] = one
	} else {
		a.ring = append(a.ring, one)
	}
	a.next++
	if a.next-a.first > uint64(a.keep) {
		a.first = a.next - uint64(a.keep)
	}
	if a.wake != nil {
		close(a.wake)
		a.wake = nil
	}
}

// reset forgets all; the sequence goes on.
func (a *arrivals) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.first = a.next
	clear(a.ring)
}

// after returns up to limit arrivals after a sequence, how many before them were
// forgotten, and a channel that is closed when there are more.
func (a *arrivals) after(seq uint64, limit int) (out []stored, missed uint64, more <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	from := max(seq+1, a.first)
	missed = from - seq - 1
	for ; from < a.next && len(out) < limit; from++ {
		out = append(out, a.ring[(from-1)%uint64(a.keep)])
	}
	if a.wake == nil {
		a.wake = make(chan struct{})
	}
	return out, missed, a.wake
}

// Query asks for what arrived.
type Query struct {
	// Provider and Target (a device token or a webhook's name) narrow it; empty means all.
	Provider, Target string
	// Since is the sequence after which to begin.
	Since uint64
	// Limit bounds the answer; 0 means all that is kept.
	Limit int
	// Shown leaves out notifications that a later one replaced.
	Shown bool
}

// Notifications lists the accepted pushes, oldest first.
func (s *Server) Notifications(filter Query) []Notification {
	out := []Notification{}
	s.arrivals.scan(filter, func(x *stored) bool {
		push := x.push
		if push != nil && (filter.Provider == "" || filter.Provider == push.provider) && (filter.Target == "" || filter.Target == push.device) {
			out = append(out, *x.notification())
		}
		return filter.Shown || filter.Limit == 0 || len(out) < filter.Limit
	})
	if filter.Shown {
		out = shown(out)
		if filter.Limit > 0 && len(out) > filter.Limit {
			out = out[:filter.Limit]
		}
	}
	return out
}

// Webhooks lists the webhook calls, oldest first, refused ones too.
func (s *Server) Webhooks(filter Query) []Webhook {
	out := []Webhook{}
	s.arrivals.scan(filter, func(x *stored) bool {
		if x.hook != nil && (filter.Target == "" || filter.Target == x.hook.Hook) {
			out = append(out, *x.hook)
		}
		return filter.Limit == 0 || len(out) < filter.Limit
	})
	return out
}

// scanPage bounds how long a reader holds up the writers.
const scanPage = 1000

func (a *arrivals) scan(q Query, yield func(*stored) bool) {
	for seq := q.Since; ; {
		page, _, _ := a.after(seq, scanPage)
		for i := range page {
			if !yield(&page[i]) {
				return
			}
		}
		if len(page) < scanPage {
			return
		}
		seq = page[len(page)-1].seq
	}
}

// shown leaves the last notification of each device and collapse id.
func shown(all []Notification) []Notification {
	type key struct{ provider, device, collapse string }
	last := map[key]uint64{}
	for i := range all {
		if note := &all[i]; note.CollapseID != "" {
			last[key{note.Provider, note.Device, note.CollapseID}] = note.Seq
		}
	}
	out := all[:0]
	for i := range all {
		if n := &all[i]; n.CollapseID == "" || last[key{n.Provider, n.Device, n.CollapseID}] == n.Seq {
			out = append(out, *n)
		}
	}
	return out
}

// Follow yields what arrives after a sequence, until the context ends. Arrivals that
// were forgotten before they could be read are reported by their number.
func (s *Server) Follow(ctx context.Context, since uint64) iter.Seq[Arrival] {
	return func(yield func(Arrival) bool) {
		for ctx.Err() == nil {
			page, missed, more := s.arrivals.after(since, scanPage)
			if missed > 0 && !yield(Arrival{Missed: missed}) {
				return
			}
			since += missed
			for i := range page {
				since = page[i].seq
				if !yield(page[i].arrival()) {
					return
				}
			}
			if len(page) > 0 {
				continue
			}
			select {
			case <-more:
			case <-ctx.Done():
			}
		}
	}
}

func (x *stored) arrival() Arrival {
	if x.hook != nil {
		return Arrival{Webhook: x.hook}
	}
	return Arrival{Notification: x.notification()}
}

func (x *stored) notification() *Notification {
	push := x.push
	note := &Notification{
		Seq:         x.seq,
		Time:        x.at,
		Provider:    push.provider,
		Device:      push.device,
		App:         push.app,
		CollapseID:  push.collapse,
		ProviderID:  push.id,
		TraceParent: push.trace,
		Headers:     push.headers,
		Payload:     push.payload,
	}
	if push.provider == ProviderFCM {
		note.Title, note.Body = fcmText(push.payload)
	} else {
		note.Title, note.Body = apnsText(push.payload)
	}
	return note
}

// apnsText is what an iPhone shows. An alert is an object, or a text alone.
func apnsText(payload []byte) (title, body string) {
	var alerting struct {
		APS struct {
			Alert json.RawMessage `json:"alert"`
		} `json:"aps"`
	}
	if json.Unmarshal(payload, &alerting) != nil {
		return "", ""
	}
	var alert struct {
		Title string `json:"title"`
		Body  string `json:"body"`
	}
	if json.Unmarshal(alerting.APS.Alert, &alert) == nil {
		return alert.Title, alert.Body
	}
	if json.Unmarshal(alerting.APS.Alert, &body) != nil {
		return "", ""
	}
	return "", body
}

// fcmText is what an Android phone shows.
func fcmText(payload []byte) (title, body string) {
	var req fcmRequest
	if json.Unmarshal(payload, &req) != nil || req.Message == nil {
		return "", ""
	}
	n := req.Message.Notification
	if n == nil {
		n = new(fcmNotification)
	}
	note := req.Message.android()
	if note == nil {
		note = new(fcmNotification)
	}
	return cmp.Or(note.Title, n.Title), cmp.Or(note.Body, n.Body)
}
