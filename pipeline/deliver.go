package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/jetstream"
)

// Rechecks is what is asked again right before a send, because time has passed
// since the match.
type Rechecks interface {
	NetworkSettings(ctx context.Context, network chatbell.NetworkID) (chatbell.Toggles, error)
	DisabledEndpoints(ctx context.Context) (map[chatbell.NetworkID]map[chatbell.EndpointID]chatbell.Reason, error)
	CheckDevices(ctx context.Context, network chatbell.NetworkID, ids []chatbell.DeviceID) (map[chatbell.DeviceID]chatbell.Device, error)
}

// deliverer is the stage behind PUSH and HOOK: one message is one batch.
type deliverer struct {
	networks Networks
	rechecks Rechecks
	sender   *sender
	repeats  *repeats
	boot     string
	now      func() time.Time
}

// handle is the watermill handler of the stage.
func (d *deliverer) handle(msg *message.Message) error {
	ctx := msg.Context()
	b, err := decodeBatch(msg.Payload)
	if err != nil {
		return permanent(err)
	}
	net, ok := d.networks.Network(b.Notification.Network)
	if !ok {
		return permanent(fmt.Errorf("network %q is not configured any more", b.Notification.Network))
	}
	out := &chatbell.Results{MaybeRepeat: d.mayRepeat(msg, b)}
	if out.MaybeRepeat {
		// What waited in the store had an event behind it, which this process may have matched again.
		ours := jetstream.HandledHere(msg) || msg.Metadata.Get(metaRepeat) != "" || b.Boot != ""
		if err := d.repeats.drop(ctx, []*Batch{b}, ours); err != nil {
			return err
		}
	}
	if err := d.recheck(ctx, b, out); err != nil {
		return err
	}
	if len(b.Targets) == 0 {
		return d.sender.finish(ctx, nil, out)
	}
	h := d.sender.submit(ctx, net, b, queueQuota)
	jetstream.Release(msg)
	return d.sender.finish(ctx, []*handed{h}, out)
}

// mayRepeat reports whether somebody may have worked on the batch before.
func (d *deliverer) mayRepeat(msg *message.Message, b *Batch) bool {
	return jetstream.MaybeRepeat(msg) || msg.Metadata.Get(metaRepeat) != "" || b.Repeat || (b.Boot != "" && b.Boot != d.boot)
}

// recheck takes out who must not be told any more: a network that was switched off,
// an endpoint that was disabled, a device that was removed or changed hands. A token
// that was renewed is used.
func (d *deliverer) recheck(ctx context.Context, b *Batch, out *chatbell.Results) error {
	if b.Call != nil {
		off, err := d.rechecks.DisabledEndpoints(ctx)
		if err != nil {
			return fmt.Errorf("read disabled endpoints: %w", err)
		}
		if reason, ok := off[b.Notification.Network][b.Destination.Endpoint]; ok {
			d.refuse(b, reason, out)
			return nil
		}
		if b.isRaw() {
			return nil // toggles are about notifications
		}
	}
	settings, err := d.rechecks.NetworkSettings(ctx, b.Notification.Network)
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
	ids := make([]chatbell.DeviceID, len(b.Targets))
	for i := range b.Targets {
		ids[i] = b.Targets[i].Device
	}
	devices, err := d.rechecks.CheckDevices(ctx, b.Notification.Network, ids)
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
		t.Token, t.Sandbox = dev.Token, dev.Sandbox
		kept = append(kept, t)
	}
	b.Targets = kept
	return nil
}

// refuse records that an endpoint that was disabled meanwhile is not called.
func (d *deliverer) refuse(b *Batch, why chatbell.Reason, out *chatbell.Results) {
	for i := range b.Targets {
		if !b.isRaw() {
			out.Deliveries = append(out.Deliveries, b.delivery(&b.Targets[i], verdict{outcome: chatbell.Failed, reason: why}, nil, d.now()))
		}
	}
	b.Targets = nil
}

// stop records a target that is not sent to after all.
func (d *deliverer) stop(b *Batch, t *Target, level chatbell.Level, why chatbell.Reason, out *chatbell.Results) {
	row := b.delivery(t, verdict{outcome: chatbell.Suppressed, reason: why}, nil, d.now())
	row.Level = level
	out.Deliveries = append(out.Deliveries, row)
}
