// Package analytics moves finished rows from the stream RESULTS into ClickHouse,
// each exactly once.
//
// The [Recorder] reads by a committed cursor. It writes down the range that it is
// about to insert, inserts the range as one block, and then moves the cursor. Whenever it
// dies in between, the same range makes the same block again, and the database adds what
// it does not have. Rows that
// their senders marked as possible repeats are looked up first. The stream is purged
// only behind the cursor, so that results wait while ClickHouse is away.
package analytics
