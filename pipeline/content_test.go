package pipeline_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/pipeline"
	"chatbell/pipeline/plan"
	"chatbell/pipeline/push"
	"chatbell/pipeline/work"
)

// own is a kind of request that says itself what is pushed: its payload is a [work.Push].
const own work.Kind = "own"

// ownPlanner plans such requests, for one device.
type ownPlanner struct{ networks work.Networks }

func (o ownPlanner) Open(_ context.Context, req *plan.Request) (plan.Plan, error) {
	var content work.Push
	if err := json.Unmarshal(req.Payload, &content); err != nil {
		return nil, work.Permanent(err)
	}
	net, _ := o.networks.Network("acme")
	return &ownPlan{net: net, id: chatbell.EventID(req.ID), content: &content}, nil
}

type ownPlan struct {
	net     *work.Network
	id      chatbell.EventID
	content *work.Push
}

func (p *ownPlan) Network() *work.Network { return p.net }
func (p *ownPlan) Key() string            { return string(p.id) }

func (p *ownPlan) Row(audience uint32) chatbell.AcceptedEvent {
	return chatbell.AcceptedEvent{Network: p.net.ID, EventID: p.id, EventType: "push", AcceptedAt: time.Now(), Audience: audience}
}

func (p *ownPlan) Page(context.Context, plan.Cursor) (*plan.Page, error) {
	b := &work.Batch{
		Notification: chatbell.Notification{
			Network: p.net.ID, EventID: p.id, EventType: "push", Rule: "push", AcceptedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
		},
		Destination: work.Destination{Network: p.net.ID, Provider: chatbell.ProviderAPNs, App: "chat"},
		Texts:       []chatbell.Text{{}},
		Targets:     []work.Target{{User: "u", Device: "dev-tu", Token: "tu"}},
		Push:        p.content,
	}
	return &plan.Page{Batches: []*work.Batch{b}, People: 1, Last: true}, nil
}

// preparing notes what a phone was given to prepare. The first try fails, so that what
// is sent has waited in the store.
type preparing struct {
	*phone

	mu    sync.Mutex
	given []push.Content
}

func (p *preparing) Prepare(c *push.Content) (push.Payload, error) {
	p.mu.Lock()
	p.given = append(p.given, *c)
	p.mu.Unlock()
	return p.phone.Prepare(c)
}

// What a request says of its content reaches the provider as it was said, also after it
// has waited for another try.
func TestContentReachesProvider(t *testing.T) {
	for id, want := range map[string]work.Push{
		"background": {Kind: push.Background, Priority: push.PriorityHigh, Data: map[string]string{"withdraw": "true"}},
		"raw":        {Kind: push.Raw, Payload: json.RawMessage(`{"aps":{}}`), Headers: map[string]string{"apns-push-type": "voip"}},
	} {
		t.Run(id, func(t *testing.T) {
			s := startWith(t, nil, func(c *pipeline.Config, s *stage) {
				c.Planners = map[work.Kind]plan.Planner{own: ownPlanner{s}}
			})
			failed := false
			s.phone.answer = func(string) error { // one try after another
				if failed {
					return nil
				}
				failed = true
				return &chatbell.SendError{Reason: chatbell.Unavailable, Retry: true}
			}
			to := &preparing{phone: s.phone}
			s.net.Pushers[work.Credential{Provider: chatbell.ProviderAPNs, App: "chat"}] = to
			s.device("u", "tu", "")
			payload, err := json.Marshal(want)
			check(t, err)
			s.request(own, id, string(payload))
			s.wait(1)
			to.mu.Lock()
			defer to.mu.Unlock()
			if len(to.given) < 2 {
				t.Errorf("prepared %d times, want one before it waited and one after", len(to.given))
			}
			for _, c := range to.given {
				got := work.Push{Kind: c.Kind, Priority: c.Priority, Data: c.Data, Payload: c.Payload, Headers: c.Headers}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			}
		})
	}
}
