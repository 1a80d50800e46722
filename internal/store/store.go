// Package store holds the rows that a store keeps for the pipeline and the recorder.
// What a store does is declared by those who use it; internal/store/storetest has a
// suite for each capability, which every store passes, and the folders beside it are the
// stores.
//
// # The contract of every store
//
// All methods are safe for concurrent use. What does not exist is
// [chatbell.ErrNotFound]; what may work another time is [ErrFull] or [ErrUnavailable].
//
// A write that returned nil survives a killed process, and every read that begins
// afterwards sees it. A write that fails has changed nothing.
//
// Ids are any text, and compared by their bytes, as Go compares strings (in PostgreSQL
// COLLATE "C"). Lists are in that order: members by user, devices by id, networks by id,
// keys by network and id, backlogs by destination. The pages of a list are asked for by the last id of
// the page before. What waits is in the order of its places, or of the times at which it
// is due. Times are kept in milliseconds.
//
// A caller that has given up before a call gets its context's error, and nothing is
// done. One that gives up during a call may get its answer all the same: a read is
// bounded by its page, and a write is committed together with those of others.
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
	// ErrTaken says that a device is another user's, who has to give it up first.
	ErrTaken = errors.New("the device is another user's")
	// ErrUnavailable says that the store is busy, closed, or cannot be reached.
	ErrUnavailable = errors.New("the store is unavailable")
)

// Waiting is a batch in the backlog of its destination.
type Waiting struct {
	// Seq is its place in the order in which batches came, given by the store.
	Seq int64
	// ID makes putting the same batch twice harmless.
	ID string
	// Destination names where it goes: its backlog.
	Destination string
	// Kind is what it goes to.
	Kind chatbell.TargetKind
	// DueAt is when it is to be tried.
	DueAt time.Time
	// Since is when the request behind it was accepted.
	Since time.Time
	// Payload is the batch.
	Payload []byte
}

// WaitingQuery asks for a page of a backlog.
type WaitingQuery struct {
	Destination string
	// Due asks for what is due by then, in the order of the times; the zero value for
	// whatever waits, in the order in which it came.
	Due time.Time
	// Since, if it is set, asks for what comes of requests that were accepted at that
	// millisecond instead, in the order in which it came, behind the place After.
	Since time.Time
	After int64
	// Before, if it is set, asks for what comes of requests that were accepted before that
	// time instead, the oldest first.
	Before time.Time
	// Limit bounds the page.
	Limit int
}

// Settled is what became of batches that waited: all of it is stored, or nothing.
type Settled struct {
	// Done are the places of those that are finished.
	Done []int64
	// Again are those that wait once more: DueAt and Payload are replaced, the place stays.
	Again []Waiting
	// New are further batches, as for PutWaiting.
	New []Waiting
}

// Backlog sums up what waits for one destination.
type Backlog struct {
	Destination string
	Kind        chatbell.TargetKind
	Rows        int64
	Bytes       int64
	// Next is when the first is due.
	Next time.Time
	// Oldest is when the oldest request behind it was accepted.
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
