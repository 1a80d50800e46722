package deliver

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/work"
)

// Rechecks is what is asked again right before a send, because time has passed
// since the match.
type Rechecks interface {
	NetworkSettings(ctx context.Context, network chatbell.NetworkID) (chatbell.Toggles, error)
	DisabledEndpoints(ctx context.Context) (map[chatbell.NetworkID]map[chatbell.EndpointID]chatbell.Reason, error)
	CheckDevices(ctx context.Context, network chatbell.NetworkID, ids []chatbell.DeviceID) (map[chatbell.DeviceID]chatbell.Device, error)
}

// StageConfig is what a stage is made of. All fields are required.
type StageConfig struct {
	Networks   work.Networks
	Rechecks   Rechecks
	Dispatcher *Dispatcher
	Ledger     *ledger.Ledger
	// Instance names this process, as it was told to [NewBacklog].
	Instance string
	Now      func() time.Time
}

// Stage is the consumer of PUSH and HOOK: one message is one batch.
type Stage struct{ cfg StageConfig }

// NewStage makes a stage.
func NewStage(c StageConfig) *Stage { return &Stage{cfg: c} }

// Handle is the watermill handler of the stage.
func (d *Stage) Handle(msg *message.Message) error {
	ctx := msg.Context()
	b, err := work.Decode(msg.Payload)
	if err != nil {
		return work.Permanent(err)
	}
	net, ok := d.cfg.Networks.Network(b.Notification.Network)
	if !ok {
		return work.Permanent(fmt.Errorf("network %q is not configured any more", b.Notification.Network))
	}
	redelivery := b.Redelivery(msg, d.cfg.Instance)
	out := &chatbell.Results{MaybeRepeat: redelivery.Possible()}
	if redelivery.Possible() {
		if err := d.cfg.Ledger.Drop(ctx, []*work.Batch{b}, redelivery); err != nil {
			return err
		}
	}
	if err := d.recheck(ctx, b, out); err != nil {
		return err
	}
	if len(b.Targets) == 0 {
		return d.cfg.Dispatcher.Settle(ctx, nil, out)
	}
	flight := d.cfg.Dispatcher.Submit(ctx, net, b, queueQuota)
	jetstream.Release(msg)
	return d.cfg.Dispatcher.Settle(ctx, []*Flight{flight}, out)
}

// recheck is the eligibility check right before the send: it takes out who must not be told any more: a network that was switched off,
// an endpoint that was disabled, a device that was removed or changed hands. A token
// that was renewed is used.
func (d *Stage) recheck(ctx context.Context, b *work.Batch, out *chatbell.Results) error {
	if b.Call != nil {
		off, err := d.cfg.Rechecks.DisabledEndpoints(ctx)
		if err != nil {
			return fmt.Errorf("read disabled endpoints: %w", err)
		}
		if reason, ok := off[b.Notification.Network][b.Destination.Endpoint]; ok {
			d.refuse(b, reason, out)
			return nil
		}
		if b.IsRaw() {
			return nil // toggles are about notifications
		}
	}
	settings, err := d.cfg.Rechecks.NetworkSettings(ctx, b.Notification.Network)
	if err != nil {
		return fmt.Errorf("read network settings: %w", err)
	}
	if settings.Enabled != nil && !*settings.Enabled {
		for i := range b.Targets {
			d.stop(b, &b.Targets[i], chatbell.LevelNetwork, chatbell.NetworkOff, out)
		}
		b.Targets = nil
		return nil
	}
	if b.Call != nil || len(b.Targets) == 0 {
		return nil
	}
	return d.recheckDevices(ctx, b, out)
}

// recheckDevices takes out the devices that were removed or changed hands.
func (d *Stage) recheckDevices(ctx context.Context, b *work.Batch, out *chatbell.Results) error {
	ids := make([]chatbell.DeviceID, len(b.Targets))
	for i := range b.Targets {
		ids[i] = b.Targets[i].Device
	}
	devices, err := d.cfg.Rechecks.CheckDevices(ctx, b.Notification.Network, ids)
	if err != nil {
		return fmt.Errorf("check devices: %w", err)
	}
	kept := b.Targets[:0]
	for _, t := range b.Targets {
		dev, ok := devices[t.Device]
		if !ok || dev.User != t.User || dev.Provider != b.Destination.Provider {
			d.stop(b, &t, chatbell.LevelDevice, chatbell.NoDevice, out)
			continue
		}
		t.Token = dev.Token
		t.Sandbox = dev.Sandbox
		kept = append(kept, t)
	}
	b.Targets = kept
	return nil
}

// refuse records that an endpoint that was disabled meanwhile is not called.
func (d *Stage) refuse(b *work.Batch, why chatbell.Reason, out *chatbell.Results) {
	for i := range b.Targets {
		if !b.IsRaw() {
			out.Deliveries = append(out.Deliveries, b.Delivery(&b.Targets[i], chatbell.Failed, why, nil, d.cfg.Now()))
		}
	}
	b.Targets = nil
}

// stop records a target that is not sent to after all.
func (d *Stage) stop(b *work.Batch, t *work.Target, level chatbell.Level, why chatbell.Reason, out *chatbell.Results) {
	row := b.Delivery(t, chatbell.Suppressed, why, nil, d.cfg.Now())
	row.Level = level
	out.Deliveries = append(out.Deliveries, row)
}
