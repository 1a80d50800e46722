package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/ledger/rowcodec"
	"chatbell/pipeline/work"
)

// maxResultRows bounds one RESULTS message: at some 120 bytes a row, and 2 KiB for one
// whose every text is as long as it may be, it stays below the broker's limit.
const maxResultRows = 2000

// Writer makes finished rows durable. Rows that arrive while a message is
// being written share the next one, so that a busy server writes few, and an idle
// one waits for nothing. Safe for concurrent use.
type Writer struct {
	publisher message.Publisher
	in        chan resultRequest
	stopped   chan struct{}
	written   atomic.Uint64
	// Finished is told of rows that are durable, and must not keep them; nil tells nobody.
	// Set it before Run.
	Finished func([]chatbell.Delivery)
}

type resultRequest struct {
	rows []*chatbell.Results
	done chan error
}

// count is how many rows wait in the request.
func (r *resultRequest) count() int {
	n := 0
	for _, rows := range r.rows {
		n += rows.Rows()
	}
	return n
}

// errStopped says that the writer no longer takes rows.
var errStopped = errors.New("result writer has stopped: the work is handed back")

// NewWriter makes a writer; Run must be called for it to write.
func NewWriter(p message.Publisher) *Writer {
	// As many callers may queue as can share one message; more would only wait longer.
	return &Writer{publisher: p, in: make(chan resultRequest, 256), stopped: make(chan struct{})}
}

// Write returns when the rows are durable in the broker. An error means that they
// are not, or that nobody knows: the caller hands its work back.
func (w *Writer) Write(ctx context.Context, rows ...*chatbell.Results) error {
	req := resultRequest{rows, make(chan error, 1)}
	if req.count() == 0 {
		return nil
	}
	select {
	case w.in <- req:
	case <-w.stopped:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-req.done:
		return err
	case <-w.stopped:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run writes until the context ends.
func (w *Writer) Run(ctx context.Context) {
	defer close(w.stopped)
	for {
		select {
		case first := <-w.in:
			w.flush(w.collect(first))
		case <-ctx.Done():
			return
		}
	}
}

// collect takes what waits already, up to the bound of one message.
func (w *Writer) collect(first resultRequest) []resultRequest {
	reqs := []resultRequest{first}
	rows := first.count()
	for rows < maxResultRows {
		select {
		case r := <-w.in:
			reqs = append(reqs, r)
			rows += r.count()
		default:
			return reqs
		}
	}
	return reqs
}

// flush writes one message for fresh rows and one for possible repeats, which the
// recorder has to look up.
func (w *Writer) flush(reqs []resultRequest) {
	fresh := merge(reqs, false)
	repeat := merge(reqs, true)
	err := errors.Join(w.publish(fresh), w.publish(repeat))
	for _, r := range reqs {
		r.done <- err
	}
}

// merge puts the rows of requests together, either those that may be repeats or the others.
func merge(reqs []resultRequest, repeats bool) *chatbell.Results {
	var deliveries, attempts, events int
	some := func(yield func(*chatbell.Results) bool) {
		for _, r := range reqs {
			for _, rows := range r.rows {
				if rows.MaybeRepeat == repeats && !yield(rows) {
					return
				}
			}
		}
	}
	for rows := range some {
		deliveries += len(rows.Deliveries)
		attempts += len(rows.Attempts)
		events += len(rows.Events)
	}
	all := &chatbell.Results{
		MaybeRepeat: repeats,
		Deliveries:  make([]chatbell.Delivery, 0, deliveries), // rows are large: growing would copy them again and again
		Attempts:    make([]chatbell.Attempt, 0, attempts),
		Events:      make([]chatbell.AcceptedEvent, 0, events),
	}
	for rows := range some {
		all.Deliveries = append(all.Deliveries, rows.Deliveries...)
		all.Attempts = append(all.Attempts, rows.Attempts...)
		all.Events = append(all.Events, rows.Events...)
	}
	return all
}

func (w *Writer) publish(rows *chatbell.Results) error {
	for _, part := range split(rows, maxResultRows) {
		msg := message.NewMessage(watermill.NewUUID(), rowcodec.Encode(part))
		if err := w.publisher.Publish(work.StreamResults, msg); err != nil {
			return fmt.Errorf("write results to the broker: %w", err)
		}
		w.written.Add(uint64(part.Rows()))
		if w.Finished != nil && len(part.Deliveries) > 0 {
			w.Finished(part.Deliveries)
		}
	}
	return nil
}

// Written is how many rows were made durable since the start.
func (w *Writer) Written() uint64 { return w.written.Load() }

// split cuts rows into parts of at most n, so that no message grows beyond what the
// broker takes.
func split(r *chatbell.Results, n int) []*chatbell.Results {
	if r.Empty() {
		return nil
	}
	if r.Rows() <= n {
		return []*chatbell.Results{r}
	}
	var parts []*chatbell.Results
	for !r.Empty() {
		p := &chatbell.Results{MaybeRepeat: r.MaybeRepeat}
		p.Events, r.Events = cut(r.Events, n)
		p.Attempts, r.Attempts = cut(r.Attempts, n-p.Rows())
		p.Deliveries, r.Deliveries = cut(r.Deliveries, n-p.Rows())
		parts = append(parts, p)
	}
	return parts
}

func cut[T any](s []T, n int) (head, tail []T) {
	n = min(n, len(s))
	return s[:n], s[n:]
}
