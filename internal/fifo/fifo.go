// Package fifo is the keyed FIFO: a queue in memory in which whatever has the same ordering
// key is worked off one after another, and keys do not wait for each other.
package fifo

// Keyed is a keyed FIFO. What is pushed comes out in its order; an item whose key is being
// worked on is parked behind it until [Keyed.Done] says that its turn has come. An item
// without a key (the empty one) waits for nobody.
//
// It is not safe for concurrent use: its owner has a lock. Each method takes constant time,
// but for the copying that keeps the memory in proportion to what waits.
type Keyed[T any] struct {
	most   int // parked behind one key
	items  []entry[T]
	head   int            // the first of items that was not looked at
	busy   map[string][]T // keys that are worked on, and what is parked behind them
	parked int
}

type entry[T any] struct {
	key  string
	item T
}

// compactAfter is how many items may have been taken before the rest is moved down, so that
// a queue that is never empty does not grow for ever.
const compactAfter = 1 << 14

// New makes an empty queue. At most mostParked items are parked behind one key: what comes
// on top goes past them, out of order and without a key, because one key that takes for
// ever must not hold up an unbounded number.
func New[T any](mostParked int) *Keyed[T] {
	return &Keyed[T]{most: mostParked, busy: map[string][]T{}}
}

// Push appends an item.
func (f *Keyed[T]) Push(key string, item T) {
	if f.head > 0 && f.head == len(f.items) {
		f.items = f.items[:0]
		f.head = 0
	}
	f.items = append(f.items, entry[T]{key, item})
}

// Len is how many items wait, with those that are parked.
func (f *Keyed[T]) Len() int { return f.Ahead() + f.parked }

// Ahead is how many items wait without those that are parked: as many calls of Next may
// find one.
func (f *Keyed[T]) Ahead() int { return len(f.items) - f.head }

// Next takes the first item that may be worked on now, and its key, which has to be given to
// Done in the end; ok is false where there is none. What it finds to be another's turn it
// parks.
func (f *Keyed[T]) Next() (key string, item T, ok bool) {
	for f.head < len(f.items) {
		one := f.pop()
		if one.key == "" {
			return "", one.item, true
		}
		behind, busy := f.busy[one.key]
		switch {
		case !busy:
			f.busy[one.key] = nil
			return one.key, one.item, true
		case len(behind) >= f.most:
			return "", one.item, true
		}
		f.busy[one.key] = append(behind, one.item)
		f.parked++
	}
	return "", item, false
}

// pop takes the first of the items.
func (f *Keyed[T]) pop() entry[T] {
	first := f.items[f.head]
	f.items[f.head] = entry[T]{}
	f.head++
	if f.head >= compactAfter {
		rest := copy(f.items, f.items[f.head:])
		clear(f.items[rest:])
		f.items = f.items[:rest]
		f.head = 0
	}
	return first
}

// Done ends the work on an item that was taken with a key, and takes the one that was parked
// behind it, if any: its key is the same.
func (f *Keyed[T]) Done(key string) (next T, ok bool) {
	if key == "" {
		return next, false
	}
	behind := f.busy[key]
	if len(behind) == 0 {
		delete(f.busy, key)
		return next, false
	}
	next = behind[0]
	var none T
	behind[0] = none
	f.busy[key] = behind[1:]
	f.parked--
	return next, true
}
