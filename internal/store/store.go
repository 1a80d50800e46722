// Package store holds the rows that a store keeps for the pipeline and the recorder.
// What a store does is declared by those who use it; internal/store/storetest is the
// suite that every store passes, and the folders beside it are the stores.
package store

import (
	"errors"
	"time"

	"chatbell"
)

// Errors of every store for what may work when it is tried again. Nothing was changed.
var (
	// ErrFull says that there is no room left on the disk.
	ErrFull = errors.New("the disk is full")
	// ErrUnavailable says that the store is busy, closed, or cannot be reached.
	ErrUnavailable = errors.New("the store is unavailable")
)

// Later is work that waits until it is due.
type Later struct {
	// ID makes putting the same work twice harmless.
	ID string
	// DueAt is when the work is given back.
	DueAt time.Time
	// Kind is what the work goes to.
	Kind chatbell.TargetKind
	// Since is when the event behind the work was accepted.
	Since time.Time
	// Destination names where the work goes, for people.
	Destination string
	// Topic is where the work is published when it is due.
	Topic string
	// Payload is the work.
	Payload []byte
}

// Waiting sums up the work of one kind that waits.
type Waiting struct {
	Kind chatbell.TargetKind
	Rows int64
	// Oldest is when the oldest event behind the work was accepted.
	Oldest time.Time
}

// Cursor is how far the recorder has come in its stream.
type Cursor struct {
	// Done is the last sequence whose rows are recorded.
	Done uint64
	// Through is the end of the range that is being recorded, written before it is
	// tried: after a crash the same range is tried again.
	Through uint64
}

// DeviceFilter chooses devices for a list.
type DeviceFilter struct {
	// User limits the list to one user's; empty means everybody's.
	User chatbell.UserID
	// After is the last id of the page before.
	After chatbell.DeviceID
	// Limit bounds the page.
	Limit int
}

// NetworkRow is a network that was made by a call, not by the configuration.
type NetworkRow struct {
	ID            chatbell.NetworkID
	DefaultLocale string
	Delivery      chatbell.DeliveryMode
}
