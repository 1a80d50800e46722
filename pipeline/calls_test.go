package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"chatbell"
	"chatbell/pipeline"
	"chatbell/pipeline/webhooks"
	"chatbell/pipeline/work"
)

// countingStore counts how often pages of an audience are read.
type countingStore struct {
	pipeline.Store
	pages atomic.Int32
}

func (c *countingStore) Audience(ctx context.Context, q chatbell.AudienceQuery) ([]chatbell.Recipient, error) {
	c.pages.Add(1)
	return c.Store.Audience(ctx, q)
}

// callBody is what a test reads of a webhook call.
type callBody struct {
	Data struct {
		TargetIDs []string `json:"targetIds"`
		Page      int      `json:"page"`
		Pages     int      `json:"pages"`
	} `json:"data"`
}

// A large channel in webhook mode is read once. Its customer gets no more calls than it
// must, in each language, and the first of them says how many there will be.
func TestLargeChannelByWebhook(t *testing.T) {
	const members = 2500
	var reads *countingStore
	s := startWith(t, func(n *work.Network) {
		n.Delivery = chatbell.DeliverWebhook
		n.Endpoints = []chatbell.Endpoint{{ID: "main", URL: "https://x", Events: []string{webhooks.PushNotificationCreated}}}
	}, func(c *pipeline.Config, s *stage) {
		reads = &countingStore{Store: s.store}
		c.Store = reads
	})
	german := 0
	for i := range members {
		u := chatbell.User{ID: chatbell.UserID(fmt.Sprintf("u%05d", i))}
		if i%2 == 1 {
			u.Locale = "de"
			german++
		}
		check(t, s.store.PutUser(t.Context(), "acme", u))
		check(t, s.store.PutMember(t.Context(), "acme", "c", chatbell.Member{User: u}))
	}
	s.post(text("big", "u00000", "hi"))
	s.wait(members) // the actor's own row, and one for each of the others
	if got := reads.pages.Load(); got != 3 {
		t.Errorf("the audience was read in %d pages, want 3: once", got)
	}
	told := map[string]int{}
	var sizes []int
	for _, call := range s.hook.all() {
		var body callBody
		check(t, json.Unmarshal(call.Body, &body))
		if body.Data.Pages != 2 || body.Data.Page < 1 || body.Data.Page > 2 {
			t.Errorf("page %d of %d, want 1 or 2 of 2", body.Data.Page, body.Data.Pages)
		}
		sizes = append(sizes, len(body.Data.TargetIDs))
		for _, id := range body.Data.TargetIDs {
			told[id]++
		}
	}
	slices.Sort(sizes)
	if want := []int{members - 1 - german - 1000, german - 1000, 1000, 1000}; !slices.Equal(sizes, want) {
		t.Errorf("calls name %v people, want %v", sizes, want)
	}
	if len(told) != members-1 {
		t.Errorf("%d people were named, want %d", len(told), members-1)
	}
}

// A webhook names the channel as the title does, although the event has only its id.
func TestCallsNameTheChannel(t *testing.T) {
	s := start(t, func(n *work.Network) {
		n.Delivery = chatbell.DeliverWebhook
		n.Endpoints = []chatbell.Endpoint{{ID: "main", URL: "https://x", Events: []string{webhooks.PushNotificationCreated}}}
	})
	check(t, s.store.PutChannel(t.Context(), "acme", chatbell.Channel{ID: "c", Name: "General", Type: "community"}))
	check(t, s.store.PutMember(t.Context(), "acme", "c", chatbell.Member{User: chatbell.User{ID: "b"}}))
	event := text("1", "a", "hi")
	event.Channel = chatbell.ChannelRef{ID: "c"}
	s.post(event)
	s.until("the call", func() bool { return len(s.hook.all()) == 1 })
	var body struct {
		Data struct {
			Title    string
			Channels []struct{ ChannelID, DisplayName, Type string }
		}
	}
	check(t, json.Unmarshal(s.hook.all()[0].Body, &body))
	channel := struct{ ChannelID, DisplayName, Type string }{"c", "General", "community"}
	if got := body.Data.Channels; len(got) != 1 || got[0] != channel || !strings.Contains(body.Data.Title, "General") {
		t.Errorf("the title is %q, the channels are %+v", body.Data.Title, got)
	}
}
