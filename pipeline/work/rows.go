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
func (b *Batch) Attempt(t *Target, y *Try, willRetry bool) chatbell.Attempt {
	a := chatbell.Attempt{
		Network: b.Notification.Network, EventID: b.Notification.EventID, DeliveryID: b.DeliveryID(t),
		UserID: t.User, DeviceID: t.Device, Target: b.Destination.Kind(), Endpoint: b.Destination.Endpoint,
		Number: t.Attempts, At: y.At, DurationMS: millis(y.Took), Outcome: chatbell.Accepted,
		MaybeRepeat: t.Doubt, WillRetry: willRetry,
		ProviderID: y.Receipt.ProviderID, ProviderStatus: uint16(y.Receipt.Status),
	}
	if y.Err != nil {
		a.Outcome = chatbell.Failed
		a.Reason = y.Err.Reason
		a.ProviderStatus = uint16(y.Err.Status)
		a.ProviderReason = y.Err.ProviderReason
	}
	return a
}

// Delivery is the final row of one of the batch's targets; y is nil where nothing
// was tried.
func (b *Batch) Delivery(t *Target, outcome chatbell.Outcome, reason chatbell.Reason, y *Try, now time.Time) chatbell.Delivery {
	d := BaseRow(&b.Notification)
	d.UserID = t.User
	d.DeviceID = t.Device
	d.DeliveryID = b.DeliveryID(t)
	d.Target = b.Destination.Kind()
	d.Platform = t.Platform
	d.App = b.Destination.App
	d.Endpoint = b.Destination.Endpoint
	d.Locale = b.Texts[t.Text].Locale
	d.Outcome = outcome
	d.Reason = reason
	d.Attempts = t.Attempts
	d.FinishedAt = now
	if y == nil {
		return d
	}
	d.ProviderID = y.Receipt.ProviderID
	d.ProviderStatus = uint16(y.Receipt.Status)
	if y.Err != nil {
		d.ProviderStatus = uint16(y.Err.Status)
		d.ProviderReason = y.Err.ProviderReason
	}
	d.FinishedAt = y.At.Add(y.Took)
	if outcome == chatbell.Accepted {
		d.LatencyMS = millis(d.FinishedAt.Sub(d.AcceptedAt))
	}
	return d
}

// BaseRow is what all rows of a notification share.
func BaseRow(n *chatbell.Notification) chatbell.Delivery {
	return chatbell.Delivery{
		Network: n.Network, EventID: n.EventID, EventType: n.EventType, ChannelID: n.ChannelID,
		Template: n.Template, SubjectID: n.SubjectID, EventTime: n.EventTime, AcceptedAt: n.AcceptedAt, Source: n.Source,
	}
}

// millis rounds down to whole milliseconds; negative (a clock was set) counts as 0.
func millis(d time.Duration) uint32 {
	return uint32(min(max(d.Milliseconds(), 0), 1<<32-1))
}
