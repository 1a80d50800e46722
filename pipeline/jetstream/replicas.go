package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// clusterReplicas is how many copies a stream has on a cluster when nobody says: one server
// may be lost.
const clusterReplicas = 3

// The broker's words for a cluster that has no room for so many replicas.
const (
	codeNoPeers      jetstream.ErrorCode = 10005 // too few servers
	codeNotClustered jetstream.ErrorCode = 10074 // one server
)

// create makes a stream with as many replicas as are configured, or as fit.
func (b *Broker) create(ctx context.Context, cfg jetstream.StreamConfig) error {
	err := b.replicated(cfg.Name, func(replicas int) error {
		cfg.Replicas = replicas
		_, err := b.js.CreateStream(ctx, cfg)
		return err
	})
	if err != nil {
		return fmt.Errorf("create stream %s: %w", cfg.Name, asUnavailable(err))
	}
	return nil
}

// replicated makes something on the broker: with the replicas that are configured, else
// with three where it is a cluster that has as many servers, else with one.
func (b *Broker) replicated(name string, create func(replicas int) error) error {
	switch {
	case b.cfg.Replicas > 0:
		return create(b.cfg.Replicas)
	case b.conn.ConnectedClusterName() == "":
		return create(1)
	}
	err := create(clusterReplicas)
	var api *jetstream.APIError
	if !errors.As(err, &api) || api.ErrorCode != codeNoPeers && api.ErrorCode != codeNotClustered {
		return err
	}
	b.log.Warn("the broker's cluster has no room for three replicas: a stream gets one, and is lost with its server. When the cluster has three servers, set broker_replicas to 3",
		"stream", name, "error", err)
	return create(1)
}

// keepReplicas is how many replicas a stream gets that has some: never fewer.
func (b *Broker) keepReplicas(name string, now int) int {
	if b.cfg.Replicas != 0 && b.cfg.Replicas < now {
		b.log.Warn("a stream keeps its replicas, which are more than configured; who wants fewer lowers them at the broker", "stream", name, "replicas", now, "broker_replicas", b.cfg.Replicas)
	}
	return max(now, b.cfg.Replicas)
}
