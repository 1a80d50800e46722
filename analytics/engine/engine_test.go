package engine_test

import (
	"sync"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/analytics/engine"
)

// What kills engines, waits for them, or needs one to itself is in test/engine.
func TestMain(m *testing.M) { clickhousetest.Main(m) }

const password = clickhousetest.Password

// shared is the package's engine, with the table that [clickhousetest.Fill] makes. It is
// for tests that read: they leave nothing behind, hold no place for long, and kill nothing.
func shared(t *testing.T) *engine.Supervisor {
	t.Helper()
	s := clickhousetest.Shared(t).Supervisor
	table.Do(func() { clickhousetest.Fill(t, s) })
	return s
}

var table sync.Once
