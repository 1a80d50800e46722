package sqlite

import "sync"

// cacheSize bounds each cache: 16,384 channels that are talked in are some 4 MiB, and
// networks are fewer.
const cacheSize = 1 << 14

// cached holds what is read for every event and seldom written. A write drops it;
// what was read while a write went on is not kept.
type cached[K comparable, V any] struct {
	mu     sync.Mutex
	writes uint64
	values map[K]V
}

// get returns the value, read if need be. The value is shared: nobody may change it.
func (c *cached[K, V]) get(key K, read func() (V, error)) (V, error) {
	c.mu.Lock()
	value, ok := c.values[key]
	writes := c.writes
	c.mu.Unlock()
	if ok {
		return value, nil
	}
	value, err := read()
	if err != nil {
		return value, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes == writes {
		if c.values == nil || len(c.values) >= cacheSize {
			c.values = map[K]V{}
		}
		c.values[key] = value
	}
	return value, nil
}

// forget drops one value. Like drop it is called when a write is over, whether or not
// it is known to have failed.
func (c *cached[K, V]) forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	delete(c.values, key)
}

// drop forgets everything.
func (c *cached[K, V]) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	c.values = nil
}
