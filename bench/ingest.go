package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// runRawIngest is the role of the least that could take events durably: an echo
// handler that publishes the body to a file stream of an embedded JetStream, or, for
// an array, decodes and publishes each, and answers when all are stored.
func runRawIngest(args []string) error {
	s, err := server.NewServer(&server.Options{
		DontListen: true, JetStream: true, StoreDir: filepath.Join(args[0], "raw"), SyncInterval: 250 * time.Millisecond, NoSigs: true, NoLog: true,
	})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("the broker did not start")
	}
	defer s.Shutdown()
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		return err
	}
	if _, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "RAW", Subjects: []string{"RAW"}, Storage: jetstream.FileStorage}); err != nil {
		return err
	}
	e := echo.New()
	e.POST("/v1/events", func(c echo.Context) error {
		body, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return err
		}
		events := []json.RawMessage{body}
		if body[0] == '[' {
			if err := json.Unmarshal(body, &events); err != nil {
				return err
			}
		}
		if err := publishAll(js, events); err != nil {
			return err
		}
		return c.JSON(http.StatusAccepted, map[string]int{"accepted": len(events)})
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(l, e) }() //nolint:gosec // ends with the process
	fmt.Println(l.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func publishAll(js jetstream.JetStream, events []json.RawMessage) error {
	acks := make([]jetstream.PubAckFuture, len(events))
	for i, e := range events {
		ack, err := js.PublishMsgAsync(&nats.Msg{Subject: "RAW", Data: e})
		if err != nil {
			return err
		}
		acks[i] = ack
	}
	for _, a := range acks {
		select {
		case <-a.Ok():
		case err := <-a.Err():
			return err
		}
	}
	return nil
}

// ingest posts events that concern nobody, so that taking them in is what costs.
func ingest(ctx context.Context, o *options) (_ []result, err error) {
	r, err := newRig()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.serve(ctx, o); err != nil {
		return nil, err
	}
	raw, addr, err := self("raw-ingest", r.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, raw.close()) }()
	var out []result
	events := 0
	round := 0
	for _, v := range []struct {
		what, raw                  string
		requests, batch, producers int
	}{
		{"single events, 64 connections", "echo handler that publishes the body", o.of(20_000, 1), 1, 64},
		{"batches of 100, 8 connections", "echo handler that decodes and publishes", o.of(1_000, 1), 100, 8},
	} {
		res, err := turns(result{Bench: "ingest", What: v.what, Unit: "/s", Raw: v.raw, Target: 0.6}, o.rounds, func() (float64, error) {
			round++
			return r.postAll(ctx, "http://"+addr+"/v1/events", fmt.Sprint("r", round), v.requests, v.batch, v.producers)
		}, func() (float64, error) {
			round++
			got, err := r.postAll(ctx, r.events(), fmt.Sprint("o", round), v.requests, v.batch, v.producers)
			if err != nil {
				return 0, err
			}
			events += v.requests * v.batch
			// The next round must not share the machine with this one's matching.
			return got, r.recorded(ctx, "SELECT count() FROM chatbell.events", events)
		})
		if err != nil {
			return nil, err
		}
		res.Note = "while earlier events are matched and recorded"
		out = append(out, res)
	}
	return out, nil
}

// postAll posts requests and returns the events a second.
func (r *rig) postAll(ctx context.Context, url, prefix string, requests, batch, producers int) (float64, error) {
	bodies := make([][]byte, requests)
	for i := range bodies {
		var events [][]byte
		for j := range batch {
			id := fmt.Sprintf("%s-%d-%d", prefix, i, j)
			events = append(events, message(id, fmt.Sprintf("c%03d", i%1000), "somebody"))
		}
		bodies[i] = events[0]
		if batch > 1 {
			bodies[i] = append(append([]byte{'['}, bytes.Join(events, []byte{','})...), ']')
		}
	}
	start := time.Now()
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range producers {
		g.Go(func() error {
			for i := int(next.Add(1)) - 1; i < requests && gctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := r.post(url, bodies[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return rate(requests*batch, time.Since(start)), err
}
