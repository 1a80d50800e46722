package templates

// MaxResolved is how many wishes a catalogue remembers.
const MaxResolved = maxResolved

// Remembered counts the wishes that a catalogue remembers.
func (c *Catalogue) Remembered() int {
	c.resolved.mu.RLock()
	defer c.resolved.mu.RUnlock()
	return len(c.resolved.known)
}
