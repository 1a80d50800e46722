package work

import (
	"time"

	"chatbell"
	"chatbell/pipeline/push"
)

// Try is what came of one attempt to send.
type Try struct {
	// At is when it began, Took how long it lasted.
	At   time.Time
	Took time.Duration
	// Receipt is what the destination said when it accepted.
	Receipt push.Receipt
	// Err is why it was not accepted; nil if it was.
	Err *chatbell.SendError
}

// Attempt is the row of a try.
func (b *Batch) Attempt(t *Target, try *Try, willRetry bool) chatbell.Attempt {
	attempt := chatbell.Attempt{
		Network:        b.Notification.Network,
		EventID:        b.Notification.EventID,
		DeliveryID:     b.DeliveryID(t),
		UserID:         t.User,
		DeviceID:       t.Device,
		Target:         b.Destination.Kind(),
		Endpoint:       b.Destination.Endpoint,
		Number:         t.Attempts,
		At:             try.At,
		DurationMS:     millis(try.Took),
		Outcome:        chatbell.Accepted,
		MaybeRepeat:    t.Doubt,
		WillRetry:      willRetry,
		ProviderID:     try.Receipt.ProviderID,
		ProviderStatus: uint16(try.Receipt.Status),
	}
	if try.Err != nil {
		attempt.Outcome = chatbell.Failed
		attempt.Reason = try.Err.Reason
		attempt.ProviderStatus = uint16(try.Err.Status)
		attempt.ProviderReason = try.Err.ProviderReason
	}
	return attempt
}

// Delivery is the final row of one of the batch's targets; y is nil where nothing
// was tried.
func (b *Batch) Delivery(t *Target, outcome chatbell.Outcome, reason chatbell.Reason, try *Try, now time.Time) chatbell.Delivery {
	row := BaseRow(&b.Notification)
	row.UserID = t.User
	row.DeviceID = t.Device
	row.DeliveryID = b.DeliveryID(t)
	row.Target = b.Destination.Kind()
	row.Platform = t.Platform
	row.App = b.Destination.App
	row.Endpoint = b.Destination.Endpoint
	row.Locale = b.Texts[t.Text].Locale
	row.Outcome = outcome
	row.Reason = reason
	row.Attempts = t.Attempts
	row.FinishedAt = now
	if try == nil {
		return row
	}
	row.ProviderID = try.Receipt.ProviderID
	row.ProviderStatus = uint16(try.Receipt.Status)
	if try.Err != nil {
		row.ProviderStatus = uint16(try.Err.Status)
		row.ProviderReason = try.Err.ProviderReason
	}
	row.FinishedAt = try.At.Add(try.Took)
	if outcome == chatbell.Accepted {
		row.LatencyMS = millis(row.FinishedAt.Sub(row.AcceptedAt))
	}
	return row
}

// BaseRow is what all rows of a notification share.
func BaseRow(n *chatbell.Notification) chatbell.Delivery {
	return chatbell.Delivery{
		Network:    n.Network,
		EventID:    n.EventID,
		EventType:  n.EventType,
		ChannelID:  n.ChannelID,
		Template:   n.Template,
		SubjectID:  n.SubjectID,
		EventTime:  n.EventTime,
		AcceptedAt: n.AcceptedAt,
		Source:     n.Source,
	}
}

// millis rounds down to whole milliseconds; negative (a clock was set) counts as 0.
func millis(d time.Duration) uint32 {
	return uint32(min(max(d.Milliseconds(), 0), 1<<32-1))
}
