package deliver

import (
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"chatbell"
	"chatbell/pipeline/jetstream"
	"chatbell/pipeline/ledger"
	"chatbell/pipeline/work"
)

// StageConfig is what a stage is made of. All fields are required.
type StageConfig struct {
	Networks    work.Networks
	Eligibility *Eligibility
	Dispatcher  *Dispatcher
	Ledger      *ledger.Ledger
	// Instance names this process, as it was told to [NewDispatcher].
	Instance string
}

// Stage is the consumer of PUSH and HOOK: one message is one batch of a large request.
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
	if out.Deliveries, err = d.cfg.Eligibility.Check(ctx, b); err != nil {
		return err
	}
	if len(b.Targets) == 0 {
		return d.cfg.Dispatcher.Settle(ctx, nil, out)
	}
	flight := d.cfg.Dispatcher.Submit(ctx, net, b, queueQuota)
	jetstream.Release(msg)
	return d.cfg.Dispatcher.Settle(ctx, []*Flight{flight}, out)
}
