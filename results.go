package chatbell

// Results is what the senders hand to the recorder: finished rows, and nothing that
// still has to be decided. It is the payload of the RESULTS stream.
type Results struct {
	Deliveries []Delivery
	Attempts   []Attempt
	Events     []AcceptedEvent
	// MaybeRepeat marks rows that may have been recorded before, because the work
	// behind them was handed out more than once. The recorder looks such rows up by
	// delivery id, attempt number or event id before it inserts them.
	MaybeRepeat bool
}

// Empty reports whether there is nothing to record.
func (r *Results) Empty() bool {
	return len(r.Deliveries) == 0 && len(r.Attempts) == 0 && len(r.Events) == 0
}

// Rows counts the rows.
func (r *Results) Rows() int { return len(r.Deliveries) + len(r.Attempts) + len(r.Events) }
