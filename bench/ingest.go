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
	srv, err := server.NewServer(&server.Options{
		DontListen:   true,
		JetStream:    true,
		StoreDir:     filepath.Join(args[0], "raw"),
		SyncInterval: 250 * time.Millisecond,
		NoSigs:       true,
		NoLog:        true,
	})
	if err != nil {
		return err
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		return errors.New("the broker did not start")
	}
	defer srv.Shutdown()
	conn, err := nats.Connect("", nats.InProcessServer(srv))
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		return err
	}
	if _, err := stream.CreateStream(context.Background(), jetstream.StreamConfig{
		Name:     "RAW",
		Subjects: []string{"RAW"},
		Storage:  jetstream.FileStorage,
	}); err != nil {
		return err
	}
	router := echo.New()
	router.POST("/v1/events", func(c echo.Context) error {
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
		if err := publishAll(stream, events); err != nil {
			return err
		}
		return c.JSON(http.StatusAccepted, map[string]int{"accepted": len(events)})
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(listener, router) }() //nolint:gosec // ends with the process
	fmt.Println(listener.Addr())
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
func ingest(ctx context.Context, opts *options) (_ []result, err error) {
	setup, err := newRig()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, setup.close()) }()
	if err := setup.serve(ctx, opts); err != nil {
		return nil, err
	}
	raw, addr, err := self("raw-ingest", setup.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, raw.close()) }()
	var out []result
	events := 0
	round := 0
	for _, variant := range []struct {
		what, raw                  string
		requests, batch, producers int
	}{
		{"single events, 64 connections", "echo handler that publishes the body", opts.of(20_000, 1), 1, 64},
		{"batches of 100, 8 connections", "echo handler that decodes and publishes", opts.of(1_000, 1), 100, 8},
	} {
		res, err := turns(result{
			Bench:  "ingest",
			What:   variant.what,
			Unit:   "/s",
			Raw:    variant.raw,
			Target: 0.6,
		}, opts.rounds, func() (float64, error) {
			round++
			return setup.postAll(ctx, "http://"+addr+"/v1/events", fmt.Sprint("r", round), variant.requests, variant.batch, variant.producers)
		}, func() (float64, error) {
			round++
			got, err := setup.postAll(ctx, setup.events(), fmt.Sprint("o", round), variant.requests, variant.batch, variant.producers)
			if err != nil {
				return 0, err
			}
			events += variant.requests * variant.batch
			// The next round must not share the machine with this one's matching.
			return got, setup.recorded(ctx, "SELECT count() FROM chatbell.events", events)
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
	group, gctx := errgroup.WithContext(ctx)
	for range producers {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < requests && gctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := r.post(url, bodies[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return rate(requests*batch, time.Since(start)), err
}
