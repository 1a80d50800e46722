package deliver

import (
	"context"
	"fmt"
	"time"

	"chatbell"
	"chatbell/pipeline/work"
)

// Rechecks is what is asked again right before a send, because time has passed
// since the match.
type Rechecks interface {
	NetworkSettings(ctx context.Context, network chatbell.NetworkID) (chatbell.Toggles, error)
	DisabledEndpoints(ctx context.Context) (map[chatbell.NetworkID]map[chatbell.EndpointID]chatbell.Reason, error)
	CheckDevices(ctx context.Context, network chatbell.NetworkID, ids []chatbell.DeviceID) (map[chatbell.DeviceID]chatbell.Device, error)
}

// Eligibility is the check right before the send of work that has waited. Safe for
// concurrent use.
type Eligibility struct {
	rechecks Rechecks
	now      func() time.Time
}

// NewEligibility makes a check.
func NewEligibility(r Rechecks, now func() time.Time) *Eligibility {
	return &Eligibility{rechecks: r, now: now}
}

// Check takes out of a batch who must not be told any more, and returns their rows: a
// network that was switched off, an endpoint that was disabled, a device that was removed
// or changed hands. A token that was renewed is used.
func (e *Eligibility) Check(ctx context.Context, b *work.Batch) ([]chatbell.Delivery, error) {
	if b.Call != nil {
		off, err := e.rechecks.DisabledEndpoints(ctx)
		if err != nil {
			return nil, fmt.Errorf("read disabled endpoints: %w", err)
		}
		if reason, ok := off[b.Notification.Network][b.Destination.Endpoint]; ok {
			return e.refuse(b, reason), nil
		}
		if b.IsRaw() {
			return nil, nil // toggles are about notifications
		}
	}
	settings, err := e.rechecks.NetworkSettings(ctx, b.Notification.Network)
	if err != nil {
		return nil, fmt.Errorf("read network settings: %w", err)
	}
	if settings.Enabled != nil && !*settings.Enabled {
		var rows []chatbell.Delivery
		for i := range b.Targets {
			rows = append(rows, e.stop(b, &b.Targets[i], chatbell.LevelNetwork, chatbell.NetworkOff))
		}
		b.Targets = nil
		return rows, nil
	}
	if b.Call != nil || len(b.Targets) == 0 {
		return nil, nil
	}
	return e.checkDevices(ctx, b)
}

// checkDevices takes out the devices that were removed or changed hands.
func (e *Eligibility) checkDevices(ctx context.Context, b *work.Batch) ([]chatbell.Delivery, error) {
	ids := make([]chatbell.DeviceID, len(b.Targets))
	for i := range b.Targets {
		ids[i] = b.Targets[i].Device
	}
	devices, err := e.rechecks.CheckDevices(ctx, b.Notification.Network, ids)
	if err != nil {
		return nil, fmt.Errorf("check devices: %w", err)
	}
	var rows []chatbell.Delivery
	kept := b.Targets[:0]
	for _, t := range b.Targets {
		if t.Device == "" { // a token of no known device
			kept = append(kept, t)
			continue
		}
		dev, ok := devices[t.Device]
		if !ok || dev.User != t.User || dev.Provider != b.Destination.Provider {
			rows = append(rows, e.stop(b, &t, chatbell.LevelDevice, chatbell.NoDevice))
			continue
		}
		t.Token = dev.Token
		t.Sandbox = dev.Sandbox
		kept = append(kept, t)
	}
	b.Targets = kept
	return rows, nil
}

// refuse gives the rows of an endpoint that was disabled meanwhile and is not called.
func (e *Eligibility) refuse(b *work.Batch, why chatbell.Reason) []chatbell.Delivery {
	var rows []chatbell.Delivery
	for i := range b.Targets {
		if !b.IsRaw() {
			rows = append(rows, b.Delivery(&b.Targets[i], chatbell.Failed, why, nil, e.now()))
		}
	}
	b.Targets = nil
	return rows
}

// stop gives the row of a target that is not sent to after all.
func (e *Eligibility) stop(b *work.Batch, t *work.Target, level chatbell.Level, why chatbell.Reason) chatbell.Delivery {
	row := b.Delivery(t, chatbell.Suppressed, why, nil, e.now())
	row.Level = level
	return row
}
