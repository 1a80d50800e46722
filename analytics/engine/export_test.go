package engine

// Beats counts the heartbeats that were heard of the child.
func (s *Supervisor) Beats() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beats
}
