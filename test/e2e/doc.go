// Package e2e holds the tests that need a server in a process of its own, to kill it,
// to drain it, or to start it again on what it left: a sandbox plays the providers and
// the customer's endpoint, HTTP is the only way in, and ClickHouse is asked as an
// analyst asks. They run side by side; each has ports and folders of its own.
package e2e
