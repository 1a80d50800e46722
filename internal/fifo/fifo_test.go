package fifo_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"chatbell/internal/fifo"
)

// one is an item that knows its place among those of its key.
type one struct {
	key string
	at  int
}

// Whatever is pushed, taken and finished in whichever order: each item comes out once; those
// of a key come out in their order, one after another, as long as no more are parked behind
// it than may be; those without a key, and those of keys that nobody works on, wait for
// nobody; and the lengths are what they should be.
func TestKeyedFIFO(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(0, 3).Draw(t, "most parked")
		m := &model{t: t, most: most, queue: fifo.New[one](most), pushed: map[string]int{}, taken: map[string]int{}, busy: map[string]bool{}}
		t.Repeat(map[string]func(*rapid.T){
			"push": m.push, "next": func(*rapid.T) { m.next() }, "done": m.done, "": m.check,
		})
		for len(m.working) > 0 || m.queue.Len() > 0 {
			for m.next() {
			}
			for len(m.working) > 0 {
				m.finish(0)
			}
		}
		m.check(t)
		for key, n := range m.pushed {
			if m.taken[key] != n {
				t.Errorf("of key %q %d items came out, %d were pushed", key, m.taken[key], n)
			}
		}
	})
}

type model struct {
	t       *rapid.T
	most    int
	queue   *fifo.Keyed[one]
	pushed  map[string]int
	taken   map[string]int
	busy    map[string]bool
	working []string // keys of items that were taken, as Next told them
	past    bool     // some item went past the others of its key
}

func (m *model) push(t *rapid.T) {
	key := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "key")
	m.queue.Push(key, one{key, m.pushed[key]})
	m.pushed[key]++
}

func (m *model) next() bool {
	ahead := m.queue.Ahead()
	key, item, ok := m.queue.Next()
	if !ok {
		if m.queue.Ahead() != 0 {
			m.t.Fatalf("nothing may be taken, although %d of %d were not looked at", m.queue.Ahead(), ahead)
		}
		return false
	}
	switch {
	case key != item.key && key != "":
		m.t.Fatalf("an item of key %q came with key %q", item.key, key)
	case key != item.key:
		m.past = true
		if !m.busy[item.key] {
			m.t.Fatalf("an item of key %q went past nobody", item.key)
		}
	case key != "" && m.busy[key]:
		m.t.Fatalf("two items of key %q are worked on at once", key)
	}
	m.take(key, item)
	return true
}

// take notes an item that has come out.
func (m *model) take(key string, item one) {
	if !m.past && item.at != m.taken[item.key] {
		m.t.Fatalf("item %d of key %q came out when it was the turn of %d", item.at, item.key, m.taken[item.key])
	}
	m.taken[item.key]++
	m.busy[key] = key != ""
	m.working = append(m.working, key)
}

func (m *model) done(t *rapid.T) {
	if len(m.working) > 0 {
		m.finish(rapid.IntRange(0, len(m.working)-1).Draw(t, "which"))
	}
}

func (m *model) finish(i int) {
	key := m.working[i]
	m.working = append(m.working[:i], m.working[i+1:]...)
	m.busy[key] = false
	next, ok := m.queue.Done(key)
	if !ok {
		return
	}
	if next.key != key || key == "" {
		m.t.Fatalf("behind key %q came an item of key %q", key, next.key)
	}
	m.take(key, next)
}

func (m *model) check(t *rapid.T) {
	waiting := 0
	for key, n := range m.pushed {
		waiting += n - m.taken[key]
	}
	if m.queue.Len() != waiting {
		t.Fatalf("%d items wait, Len says %d", waiting, m.queue.Len())
	}
	if parked := m.queue.Len() - m.queue.Ahead(); parked > 2*m.most {
		t.Fatalf("%d items of two keys are parked, at most %d may be behind one", parked, m.most)
	}
}

// A queue that is never empty keeps its order when it moves what waits to the front.
func TestKeyedFIFONeverEmpty(t *testing.T) {
	queue := fifo.New[int](8)
	const ahead, items = 10, 100_000
	for i := range items + ahead {
		queue.Push(fmt.Sprint(i%7), i)
		if i < ahead {
			continue
		}
		key, got, ok := queue.Next()
		if want := i - ahead; !ok || got != want {
			t.Fatalf("item %d came out, want %d", got, want)
		}
		if behind, ok := queue.Done(key); ok {
			t.Fatalf("item %d was parked although nobody worked on its key", behind)
		}
	}
	if queue.Len() != ahead {
		t.Errorf("%d items are left, want %d", queue.Len(), ahead)
	}
}
