// Command bench measures chatbell beside the raw limit of each part, in the same run on
// the same machine, and prints ratios: an absolute number says more about the machine.
// Run it with "make bench"; the results are written to bench/results.
//
// The server under test is bin/chatbell in a process of its own, with its embedded
// broker, store and ClickHouse; the push service is a sandbox in another process. The
// raw side is what a programmer would write with the library alone: apns2, a bare echo
// handler in front of JetStream, a clickhouse-go batch loop. Raw and chatbell take
// turns, and the ratio is the median of the rounds. With -scale 0.01 -rounds 1 -results ""
// it shows in seconds that all of it runs, and measures nothing.
package main
