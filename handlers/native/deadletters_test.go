package native_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"chatbell"
	"chatbell/pipeline/deadletter"
)

// graves are dead letters of the network acme, by their ids.
type graves struct{ ids []uint64 }

func (g *graves) List(_ context.Context, network chatbell.NetworkID, after uint64, limit int) (page []deadletter.Letter, more bool, err error) {
	for _, id := range g.ids {
		if network != "acme" || id <= after {
			continue
		}
		if len(page) == limit {
			return page, true, nil
		}
		page = append(page, deadletter.Letter{
			ID: id, Kind: deadletter.KindEvent, Reason: "no room", Tries: 3, At: time.Unix(1e9, 0).UTC(), EventID: "e", EventType: "message.created",
			AcceptedAt: time.Unix(1e9, 0).UTC(), Event: json.RawMessage(`{"id":"e"}`), Bytes: 10,
		})
	}
	return page, len(page) == limit, nil
}

func (g *graves) Replay(ctx context.Context, network chatbell.NetworkID, id uint64) error {
	return g.Delete(ctx, network, id)
}

func (g *graves) Delete(_ context.Context, network chatbell.NetworkID, id uint64) error {
	at := slices.Index(g.ids, id)
	if network != "acme" || at < 0 {
		return fmt.Errorf("dead letter %d: %w", id, chatbell.ErrNotFound)
	}
	g.ids = slices.Delete(g.ids, at, at+1)
	return nil
}

// Dead letters are listed page by page, replayed and removed; nobody reaches another
// network's.
func TestDeadLetters(t *testing.T) {
	r := start(t)
	r.dead.ids = []uint64{3, 5, 9}
	type page struct {
		Items []struct {
			ID, Kind, Reason string
			Tries            int
			Payload          struct{ ID string }
		}
		Next string `json:"next_cursor"`
	}
	read := func(path string) (p page) {
		if err := json.Unmarshal([]byte(r.ok("GET", path, "").body), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := read("/v1/dead-letters?limit=2")
	if len(first.Items) != 2 || first.Items[1].ID != "5" || first.Items[0].Kind != "event" || first.Items[0].Tries != 3 || first.Items[0].Payload.ID != "e" || first.Next == "" {
		t.Errorf("the first page is %+v", first)
	}
	if second := read("/v1/dead-letters?limit=2&cursor=" + first.Next); len(second.Items) != 1 || second.Items[0].ID != "9" || second.Next != "" {
		t.Errorf("the second page is %+v", second)
	}
	if a := r.do(request{method: "POST", path: "/v1/dead-letters/5/replay"}); a.status != 202 || a.body != "{\"replayed\":1}\n" {
		t.Errorf("replay: %d %s", a.status, a.body)
	}
	if a := r.do(request{method: "DELETE", path: "/v1/dead-letters/3"}); a.status != 204 {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	for _, path := range []string{"/v1/dead-letters/5", "/v1/dead-letters/0", "/v1/dead-letters/x", "/v1/dead-letters/-1"} {
		r.problem(r.do(request{method: "DELETE", path: path}), 404)
		r.problem(r.do(request{method: "POST", path: path + "/replay"}), 404)
	}
	r.problem(r.do(request{method: "DELETE", path: "/v1/dead-letters/9", key: otherKey}), 404)
	r.problem(r.do(request{method: "GET", path: "/v1/dead-letters?cursor=eA"}), 400)
	if !slices.Equal(r.dead.ids, []uint64{9}) {
		t.Errorf("left are %v", r.dead.ids)
	}
}
