package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/sideshow/apns2"
	"github.com/sideshow/apns2/payload"
	apnstoken "github.com/sideshow/apns2/token"
	"golang.org/x/net/http2"
	"golang.org/x/sync/errgroup"
)

// rawAPNs is apns2 as its README shows it, with a transport that trusts the sandbox.
func (r *rig) rawAPNs() (*apns2.Client, error) {
	key, err := apnstoken.AuthKeyFromFile(r.creds.APNsKeyFile)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(r.creds.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := apns2.NewTokenClient(&apnstoken.Token{AuthKey: key, KeyID: r.creds.APNsKeyID, TeamID: r.creds.APNsTeamID})
	client.Host = r.creds.APNsURL
	client.HTTPClient.Transport = &http2.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}} //nolint:staticcheck // what apns2 itself uses
	return client, nil
}

// pushAll sends one notification to each of n devices and returns how many a second.
func pushAll(ctx context.Context, client *apns2.Client, n, workers int) (float64, error) {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	start := time.Now()
	for range workers {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				res, err := client.PushWithContext(ctx, &apns2.Notification{
					DeviceToken: token(i),
					Topic:       bundle,
					PushType:    apns2.PushTypeAlert,
					Priority:    10,
					CollapseID:  "4pKvRZ0v3o2eSJbWqk0x3g",
					Payload: payload.NewPayload().AlertTitle("Alice (General)").AlertBody("Has anybody seen my keys?").Sound("default").
						ThreadID("general").Custom("chatbell", map[string]string{"network": network, "event_id": "e", "channel_id": "general"}),
				})
				if err != nil {
					return err
				}
				if !res.Sent() {
					return fmt.Errorf("refused: %s", res.Reason)
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return rate(n, time.Since(start)), err
}

// fanout sends one message to a large channel.
func fanout(ctx context.Context, opts *options) (_ []result, err error) {
	setup, err := newRig()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, setup.close()) }()
	members := make([]int, opts.devices)
	for i := range members {
		members[i] = i
	}
	if err := setup.seed(ctx, opts.devices, map[string][]int{"general": members}); err != nil {
		return nil, err
	}
	if err := setup.serve(ctx, opts); err != nil {
		return nil, err
	}
	client, err := setup.rawAPNs()
	if err != nil {
		return nil, err
	}
	// The actor is nobody's neighbour: every member is told.
	sent := 0
	tail := []float64{}
	res, err := turns(result{
		Bench:  "fanout",
		What:   fmt.Sprintf("one message to %d devices, until the last acceptance", opts.devices),
		Unit:   "/s",
		Raw:    "apns2, 200 at a time",
		Target: 1,
	}, opts.rounds, func() (float64, error) {
		return pushAll(ctx, client, opts.devices, 200)
	}, func() (float64, error) {
		before, _, err := setup.accepted()
		if err != nil {
			return 0, err
		}
		sent++
		start := time.Now()
		if err := setup.post(setup.events(), message(fmt.Sprint("f", sent), "general", "somebody")); err != nil {
			return 0, err
		}
		when, err := setup.acceptedBy(ctx, before, opts.devices)
		if err != nil {
			return 0, err
		}
		if err := setup.recorded(ctx, "SELECT count() FROM chatbell.deliveries WHERE outcome = 'accepted'", sent*opts.devices); err != nil {
			return 0, err
		}
		tail = append(tail, time.Since(when).Seconds())
		return rate(opts.devices, when.Sub(start)), nil
	})
	if err == nil {
		res.Note = fmt.Sprintf("recorded %.1f s later", median(tail))
	}
	return []result{res}, err
}

// direct sends messages to one person each.
func direct(ctx context.Context, opts *options) (_ []result, err error) {
	messages := opts.of(20_000, 100)
	channels := opts.of(2_000, 10)
	setup, err := newRig()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, setup.close()) }()
	pairs := make(map[string][]int, channels)
	for i := range channels {
		pairs[fmt.Sprintf("c%05d", i)] = []int{2 * i, 2*i + 1}
	}
	if err := setup.seed(ctx, 2*channels, pairs); err != nil {
		return nil, err
	}
	if err := setup.serve(ctx, opts); err != nil {
		return nil, err
	}
	client, err := setup.rawAPNs()
	if err != nil {
		return nil, err
	}
	var out []result
	sent := 0
	for _, variant := range []struct {
		latency time.Duration
		workers int
		target  float64
	}{{0, 200, 0.65}, {30 * time.Millisecond, 1000, 0.95}} {
		if err := setup.latency(variant.latency); err != nil {
			return nil, err
		}
		res, err := turns(result{
			Bench:  "direct",
			What:   fmt.Sprintf("%d messages to one device each, provider %s", messages, variant.latency),
			Unit:   "/s",
			Raw:    fmt.Sprintf("apns2, %d at a time", variant.workers),
			Target: variant.target,
		}, opts.rounds, func() (float64, error) {
			return pushAll(ctx, client, messages, variant.workers)
		}, func() (float64, error) {
			sent++
			return setup.directRound(ctx, sent, messages, channels)
		})
		if err != nil {
			return nil, err
		}
		out = append(out, res)
	}
	return out, nil
}

// directRound posts batches of 100 from four connections.
func (r *rig) directRound(ctx context.Context, round, messages, channels int) (float64, error) {
	const batch = 100
	before, _, err := r.accepted()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	var next atomic.Int64
	group, gctx := errgroup.WithContext(ctx)
	for range 4 {
		group.Go(func() error {
			for from := int(next.Add(batch)) - batch; from < messages && gctx.Err() == nil; from = int(next.Add(batch)) - batch {
				var body [][]byte
				for i := from; i < from+batch; i++ {
					c := i % channels
					body = append(body, message(fmt.Sprintf("d%d-%d", round, i), fmt.Sprintf("c%05d", c), user(2*c)))
				}
				if err := r.post(r.events(), append(append([]byte{'['}, bytes.Join(body, []byte{','})...), ']')); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	when, err := r.acceptedBy(ctx, before, messages)
	if err != nil {
		return 0, err
	}
	err = r.recorded(ctx, "SELECT count() FROM chatbell.deliveries WHERE outcome = 'accepted'", round*messages)
	return rate(messages, when.Sub(start)), err
}
