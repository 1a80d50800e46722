package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"chatbell"
	"chatbell/analytics"
	"chatbell/analytics/clickhouse"
	"chatbell/analytics/engine"
	"chatbell/internal/recording"
	"chatbell/internal/store/sqlite"
	"chatbell/pipeline"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/work"
)

// recordBlock is how many rows the raw side inserts at once.
const recordBlock = 20_000

// record empties a full RESULTS stream into ClickHouse.
func record(ctx context.Context, opts *options) (_ []result, err error) {
	dir, err := os.MkdirTemp("", "chatbell-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	library, err := engine.FindLibrary("", dir)
	if err != nil {
		library, err = engine.FindLibrary(".cache/engine/"+engine.LibraryName, dir)
	}
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	supervisor, err := engine.Start(ctx, engine.Config{
		Library:     library,
		Dir:         filepath.Join(dir, "clickhouse"),
		Listen:      "127.0.0.1:0",
		AnalystUser: "analyst",
		Command:     []string{exe, "engine"},
		Logger:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, supervisor.Close()) }()
	if err := supervisor.Ready(ctx); err != nil {
		return nil, err
	}
	sink, err := clickhouse.Open(ctx, clickhouse.Config{DSN: supervisor.DSN()})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	broker, err := jetstream.Open(ctx, jetstream.Config{Dir: filepath.Join(dir, "jetstream"), Streams: pipeline.Streams(0)})
	if err != nil {
		return nil, err
	}
	defer func() { //nolint:contextcheck // the context that ended the run must not cut the closing short
		err = errors.Join(err, broker.Close())
	}()
	state, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, "db")})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, state.Close()) }()

	round := 0
	count := opts.of(300_000, recordBlock)
	res, err := turns(result{
		Bench:  "record",
		What:   fmt.Sprintf("%d rows from RESULTS into ClickHouse, exactly once", count),
		Unit:   "/s",
		Raw:    "clickhouse-go batches of 20,000 rows from memory",
		Target: 0.7,
	}, opts.rounds, func() (float64, error) {
		round++
		return rawInsert(ctx, supervisor.DSN(), round, count)
	}, func() (float64, error) {
		round++
		return recordRound(ctx, broker, state, sink, round, count)
	})
	return []result{res}, err
}

func rows(round, from, n int) *chatbell.Results {
	when := time.Now()
	out := &chatbell.Results{Deliveries: make([]chatbell.Delivery, n)}
	for i := range out.Deliveries {
		u := chatbell.UserID(user(from + i))
		event := chatbell.EventID(fmt.Sprint("e", round))
		out.Deliveries[i] = chatbell.Delivery{
			Network:        network,
			EventID:        event,
			EventType:      chatbell.MessageCreated,
			ChannelID:      "general",
			UserID:         u,
			DeviceID:       chatbell.DeviceID("d" + u),
			DeliveryID:     chatbell.NewDeliveryID(network, event, "message", "", u, "apns:d"+string(u)),
			Target:         chatbell.TargetAPNs,
			App:            bundle,
			Locale:         "en",
			Template:       "message.text",
			Outcome:        chatbell.Accepted,
			Attempts:       1,
			ProviderID:     "123e4567-e89b-12d3-a456-426655440000",
			ProviderStatus: 200,
			EventTime:      when,
			AcceptedAt:     when,
			FinishedAt:     when,
			LatencyMS:      12,
		}
	}
	return out
}

// rawInsert is the loop of clickhouse-go's documentation, into a table of the same
// columns and order.
func rawInsert(ctx context.Context, dsn string, round, count int) (float64, error) {
	opts, err := ch.ParseDSN(dsn)
	if err != nil {
		return 0, err
	}
	conn, err := ch.Open(opts)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	table := fmt.Sprintf("chatbell.raw_%d", round)
	if err := conn.Exec(ctx, "CREATE TABLE "+table+" AS chatbell.deliveries"); err != nil {
		return 0, err
	}
	start := time.Now()
	for from := 0; from < count; from += recordBlock {
		data := rows(round, from, recordBlock)
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
		if err != nil {
			return 0, err
		}
		for i := range data.Deliveries {
			if err := appendRow(batch, &data.Deliveries[i]); err != nil {
				return 0, errors.Join(err, batch.Abort())
			}
		}
		if err := batch.Send(); err != nil {
			return 0, err
		}
	}
	return rate(count, time.Since(start)), nil
}

func appendRow(b driver.Batch, d *chatbell.Delivery) error {
	return b.Append(string(d.Network), string(d.EventID), string(d.EventType), string(d.ChannelID), string(d.UserID), string(d.DeviceID),
		string(d.DeliveryID), string(d.Target), string(d.Platform), d.App, d.Locale, d.Template, string(d.Endpoint), d.SubjectID, d.Replay,
		string(d.Outcome), string(d.Level), string(d.Reason), d.Attempts, d.ProviderID, d.ProviderStatus, d.ProviderReason,
		d.EventTime, d.AcceptedAt, d.FinishedAt, d.LatencyMS, string(d.Source))
}

// recordRound fills RESULTS as the senders do, then lets a recorder empty it.
func recordRound(ctx context.Context, broker *jetstream.Broker, state *sqlite.Store, sink *clickhouse.Store, round, count int) (float64, error) {
	wctx, stop := context.WithCancel(ctx)
	writer := ledger.NewWriter(broker.Publisher())
	done := make(chan struct{})
	go func() { defer close(done); writer.Run(wctx) }()
	for from := 0; from < count; from += 2_000 {
		if err := writer.Write(ctx, rows(round, from, 2_000)); err != nil {
			stop()
			return 0, err
		}
	}
	stop()
	<-done
	last, err := broker.LastSequence(ctx, work.StreamResults)
	if err != nil {
		return 0, err
	}
	r, err := analytics.New(analytics.Config{Log: recording.Log{Broker: broker}, Cursors: state, Sink: sink})
	if err != nil {
		return 0, err
	}
	rctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	start := time.Now()
	go func() { ended <- r.Run(rctx) }()
	err = r.WaitRecorded(ctx, last)
	took := time.Since(start)
	stop()
	return rate(count, took), errors.Join(err, <-ended)
}
