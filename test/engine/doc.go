// Package engine tests the supervisor of the embedded ClickHouse engine and what is
// around it with engines that are killed, stopped, hung and held, or that are slow in
// their answers: each test has one to itself. What is asked of a healthy engine is tested
// beside the code.
package engine
