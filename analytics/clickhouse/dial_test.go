package clickhouse

import (
	"context"
	"net"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/analytics/engine"
)

// The embedded engine is reached through its supervisor: its address may not be known when
// the store is opened, and while it does not answer somebody else may have its port, who
// must not see the writer's password.
func TestDial(t *testing.T) {
	e, err := engine.Start(t.Context(), clickhousetest.Config(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	// The port of the configuration is 0: the address in the DSN leads nowhere.
	dsn := strings.Replace(e.DSN(), strings.TrimPrefix(e.URL(), "http://"), "127.0.0.1:0", 1)
	s, err := Open(t.Context(), Config{DSN: dsn, Dial: e.Dial})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := e.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Insert(t.Context(), "token", rows(0, 1)); err != nil {
		t.Fatalf("an engine that answers: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	other, err := lc.Listen(t.Context(), "tcp", strings.TrimPrefix(e.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan struct{})
	go func() {
		defer close(called)
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			t.Error("another program on the engine's port was called")
			_ = c.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), queryTimeout)
	defer cancel()
	for range 5 { // with the connections that it had, and then with new ones
		if err = s.Insert(ctx, "token 2", rows(1, 1)); err == nil {
			t.Fatal("an engine that is stopped: no error")
		}
	}
	if !strings.Contains(err.Error(), "the ClickHouse engine is stopped") {
		t.Errorf("the error does not say why: %v", err)
	}
	_ = other.Close()
	<-called
}
