package analytics

import "context"

// Step records one block, without the waits that Run puts between two.
func (r *Recorder) Step(ctx context.Context) error { return r.step(ctx) }
