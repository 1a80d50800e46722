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
	endpoint, ok := f.net.Endpoint(destination.Endpoint)
	if !ok {
		return nil
	}
	if err := f.dispatcher.cfg.Devices.DisableEndpoint(ctx, destination.Network, endpoint, chatbell.EndpointDisabled); err != nil {
		return fmt.Errorf("store that %s is disabled: %w", destination, err)
	}
	f.dispatcher.cfg.Report.disabled(destination)
	return nil
}

// applyTokenFeedback applies what a refusal says about a token, as far as the policy lets
// it.
func (f *Flight) applyTokenFeedback(ctx context.Context, t *work.Target, tried *try, policy tokenPolicy) error {
	if f.batch.Call != nil || tried.Err == nil || !aboutToken(tried.Err) || policy != applyRefusal {
		return nil
	}
	if err := f.invalidateToken(ctx, t, tried); err != nil {
		return fmt.Errorf("store what %s said of a token: %w", f.batch.Destination, err)
	}
	return nil
}

// invalidateToken removes or disables a device and tells the customer. The news is stored
// first, and taken back where the device has another token by now: of one that is gone
// nobody would tell after a crash.
func (f *Flight) invalidateToken(ctx context.Context, t *work.Target, tried *try) error {
	cfg := &f.dispatcher.cfg
	network := f.batch.Notification.Network
	why := tried.Err
	line := f.dispatcher.queue(f.batch.Destination)
	if why.Reason == chatbell.InvalidToken && !line.noteDisabled(t) {
		return nil // it was noticed meanwhile that the tokens are not at fault
	}
	news, err := f.announceInvalidation(ctx, t, why, cfg.Now())
	if err != nil {
		return err
	}
	var acted bool
	if why.Reason == chatbell.Unregistered {
		before := why.DeadSince
		if before.IsZero() {
			before = tried.At
		}
		acted, err = cfg.Devices.RemoveDeadDevice(ctx, network, t.Device, t.Token, before)
	} else {
		acted, err = f.disable(ctx, line, t, tried.At)
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

// disable disables a device, unless it is noticed meanwhile that tokens are not at fault.
func (f *Flight) disable(ctx context.Context, line *queue, t *work.Target, before time.Time) (bool, error) {
	devices := f.dispatcher.cfg.Devices
	network := f.batch.Notification.Network
	acted, err := devices.DisableDevice(ctx, network, t.Device, t.Token, before, chatbell.InvalidToken)
	if err != nil || !acted || line.tokenPolicy(t.Sandbox) == applyRefusal {
		return acted, err
	}
	_, err = devices.EnableDevice(ctx, network, t.Device, t.Token)
	return false, err
}

// tokenPolicy is what is done about a try's word on a token. Where so many are refused that
// the fault is not theirs, devices are enabled again that were disabled before that was
// noticed.
func (f *Flight) tokenPolicy(ctx context.Context, t *work.Target, tried *try) tokenPolicy {
	if f.batch.Call != nil || !tried.refusesToken() {
		return applyRefusal
	}
	line := f.dispatcher.queue(f.batch.Destination)
	policy := line.tokenPolicy(t.Sandbox)
	if policy != applyRefusal {
		f.restore(ctx, line, t.Sandbox)
	}
	return policy
}

// restore enables devices again.
func (f *Flight) restore(ctx context.Context, line *queue, sandbox bool) {
	cfg := &f.dispatcher.cfg
	network := f.batch.Notification.Network
	all := line.takeDisabled(sandbox)
	for i, one := range all {
		if _, err := cfg.Devices.EnableDevice(ctx, network, one.device, one.token); err != nil {
			cfg.Log.Warn("devices that were disabled by mistake cannot be enabled; trying again with the next refusal", "destination", line.to, "devices", len(all)-i, "error", err)
			line.putDisabled(sandbox, all[i:])
			return
		}
	}
	if len(all) > 0 {
		cfg.Log.Info("devices are enabled again: their tokens were not at fault", "network", network, "provider", line.to.Provider, "app", line.to.App, "devices", len(all))
	}
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
