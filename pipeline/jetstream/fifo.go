package jetstream

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// fifo is the keyed FIFO of a subscription: messages leave it in the order of the stream,
// but those of a key that is held wait behind each other until it is let go. Not safe for
// concurrent use: the subscription's lock guards it.
type fifo struct {
	ready []*Item // in the order of the stream; some of a held key may still be among them
	bytes int     // of what is ready
	held  map[string]*lane
	// ring is called when a lane may be let go by its time; it must not block.
	ring func()
}

// lane is a key that is held: its messages wait here, in the order of the stream.
type lane struct {
	waiting []*Item
	// holder is the message that the others wait for: one that a handler has. Nil where
	// they wait for a time only.
	holder *Item
	// due is when the first of them may be tried again.
	due   time.Time
	timer *time.Timer // nil where they wait for the holder only
}

func newFIFO(ring func()) *fifo { return &fifo{held: map[string]*lane{}, ring: ring} }

// put takes a message in.
func (f *fifo) put(item *Item) {
	if line := f.held[item.key]; line != nil {
		f.park(line, item)
		return
	}
	f.ready = insert(f.ready, item)
	f.bytes += item.size()
}

func (f *fifo) park(line *lane, item *Item) {
	line.waiting = insert(line.waiting, item)
}

// insert puts a message where it belongs: mostly at the end.
func insert(items []*Item, item *Item) []*Item {
	if n := len(items); n == 0 || items[n-1].sequence < item.sequence {
		return append(items, item)
	}
	at, _ := slices.BinarySearchFunc(items, item, bySequence)
	return slices.Insert(items, at, item)
}

func bySequence(a, b *Item) int { return cmp.Compare(a.sequence, b.sequence) }

// take gives what waits, at least one message if any may go, up to so many, and up to so
// many bytes. With hold each of them holds its key.
func (f *fifo) take(limit Limits, hold bool) []*Item {
	var out []*Item
	bytes := 0
	seen := 0
	for _, item := range f.ready {
		size := item.size()
		line := f.held[item.key]
		if line == nil && len(out) > 0 && (len(out) >= limit.Messages || bytes+size > limit.Bytes) {
			break
		}
		seen++
		f.bytes -= size
		if line != nil {
			f.park(line, item)
			continue
		}
		out = append(out, item)
		bytes += size
		if hold {
			f.hold(item)
		}
	}
	f.ready = slices.Delete(f.ready, 0, seen)
	return out
}

// lane is the key's, which is held from now on.
func (f *fifo) lane(key string) *lane {
	line := f.held[key]
	if line == nil {
		line = &lane{}
		f.held[key] = line
	}
	return line
}

// hold makes those that come behind the message wait until release.
func (f *fifo) hold(item *Item) {
	if item.key != "" {
		f.lane(item.key).holder = item
	}
}

// release lets those behind the message go, if it was what they waited for.
func (f *fifo) release(item *Item, now time.Time) {
	if line := f.held[item.key]; line != nil && line.holder == item {
		line.holder = nil
		f.advance(item.key, line, now)
	}
}

// back takes a message in again. It is tried again after a while, and those behind it wait
// for that; one without a key is waited for by nobody.
func (f *fifo) back(item *Item, after time.Duration, now time.Time) {
	if item.key == "" {
		item.key = "\x00" + strconv.FormatUint(item.sequence, 10) // a key of its own
	}
	line := f.lane(item.key)
	if line.holder == item {
		line.holder = nil
	}
	f.park(line, item)
	if due := now.Add(after); due.After(line.due) {
		line.due = due
	}
	f.advance(item.key, line, now)
}

// advance lets a lane go whose time has come.
func (f *fifo) advance(key string, line *lane, now time.Time) {
	if line.holder != nil {
		return
	}
	if wait := line.due.Sub(now); wait > 0 {
		if line.timer == nil {
			line.timer = time.AfterFunc(wait, f.ring)
		} else {
			line.timer.Reset(wait)
		}
		return
	}
	if line.timer != nil {
		line.timer.Stop()
	}
	delete(f.held, key)
	for _, item := range line.waiting {
		f.bytes += item.size()
	}
	if len(line.waiting) > 0 {
		f.ready = append(f.ready, line.waiting...)
		slices.SortFunc(f.ready, bySequence)
	}
}

// expire lets the lanes go whose time has come.
func (f *fifo) expire(now time.Time) {
	for key, line := range f.held {
		if line.timer != nil {
			f.advance(key, line, now)
		}
	}
}

// stop ends the waits of all lanes.
func (f *fifo) stop() {
	for _, line := range f.held {
		if line.timer != nil {
			line.timer.Stop()
		}
	}
}
