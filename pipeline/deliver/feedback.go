package deliver

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"chatbell"
	"chatbell/pipeline/work"
)

// applyEndpointFeedback disables an endpoint that wants no more calls.
func (f *Flight) applyEndpointFeedback(ctx context.Context) error {
	destination := f.batch.Destination
	tried := &f.tries[0]
	if f.batch.Call == nil || tried.Err == nil || tried.Err.Reason != chatbell.EndpointDisabled {
		return nil
	}
	if err := f.dispatcher.cfg.Devices.DisableEndpoint(ctx, destination.Network, destination.Endpoint, chatbell.EndpointDisabled); err != nil {
		return fmt.Errorf("store that %s is disabled: %w", destination, err)
	}
	return nil
}

// applyTokenFeedback applies what a refusal says about a token.
func (f *Flight) applyTokenFeedback(ctx context.Context, t *work.Target, y *try) error {
	if f.batch.Call != nil || y.Err == nil || y.Err.Reason != chatbell.Unregistered && y.Err.Reason != chatbell.InvalidToken {
		return nil
	}
	if err := f.invalidateToken(ctx, t, y.Err); err != nil {
		return fmt.Errorf("store what %s said of a token: %w", f.batch.Destination, err)
	}
	return nil
}

// invalidateToken removes or disables a device and tells the customer. The news is stored
// first, and taken back where the device has another token by now: of one that is gone
// nobody would tell after a crash.
func (f *Flight) invalidateToken(ctx context.Context, t *work.Target, why *chatbell.SendError) error {
	cfg := &f.dispatcher.cfg
	network := f.batch.Notification.Network
	news, err := f.announceInvalidation(ctx, t, why, cfg.Now())
	if err != nil {
		return err
	}
	var acted bool
	if why.Reason == chatbell.Unregistered {
		acted, err = cfg.Devices.RemoveDeadDevice(ctx, network, t.Device, t.Token, why.DeadSince)
	} else {
		acted, err = cfg.Devices.DisableDevice(ctx, network, t.Device, t.Token, chatbell.InvalidToken)
	}
	switch {
	case err != nil:
		return err
	case acted:
		cfg.Log.Info("push token is dead", "network", network, "user", t.User, "device", t.Device,
			"reason", why.Reason, "provider_reason", why.ProviderReason)
	default:
		return f.dispatcher.takeBack(ctx, news)
	}
	return nil
}

// DeviceRemoved is the type of the raw event that tells a customer of a push token
// that a provider has declared dead. Its data has device_id, provider, app and reason.
const DeviceRemoved chatbell.EventType = "device.removed"

// newsDelay is time enough to take the news back, where the device has another token.
const newsDelay = time.Second

// announceInvalidation queues the news of a dead token for the customer's endpoints, and
// returns what to take back where it is none.
func (f *Flight) announceInvalidation(ctx context.Context, t *work.Target, why *chatbell.SendError, now time.Time) ([]placed, error) {
	note := f.batch.Notification
	destination := f.batch.Destination
	data, err := json.Marshal(map[string]string{
		"device_id": string(t.Device), "provider": string(destination.Provider), "app": destination.App, "reason": string(why.Reason), "provider_reason": why.ProviderReason,
	})
	if err != nil {
		return nil, fmt.Errorf("tell of a dead token: %w", err)
	}
	event := &chatbell.Event{Type: DeviceRemoved, Time: now, User: &chatbell.Person{ID: t.User}, Data: data}
	note.EventType = DeviceRemoved
	note.SubjectID = string(t.Device)
	batches, err := work.RawBatches(f.net, &note, event, nil)
	if err != nil {
		return nil, err
	}
	news := make([]deferral, len(batches))
	for i, b := range batches {
		news[i] = deferral{batch: b, due: now.Add(newsDelay)}
	}
	return f.dispatcher.put(ctx, news)
}
