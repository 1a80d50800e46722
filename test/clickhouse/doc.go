// Package clickhouse tests the tables where the engine is killed in the middle of an insert,
// starts are cut off, and engines are started again on what the one before left. What is
// asked of one healthy engine is tested beside the code.
package clickhouse
