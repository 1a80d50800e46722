package native

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"chatbell"
	"chatbell/handlers/web"
)

// A list has a bound of members, and says so; empty lines are none.
func TestBulkLimit(t *testing.T) {
	const text = "{\"id\":\"a\"}\n\n{\"id\":\"b\"}\n\n\n{\"id\":\"c\"}\n"
	for limit, want := range map[int]string{2: "at most 2 members", 3: ""} {
		var got []string
		var last error
		for m, err := range readMembers(strings.NewReader(text), limit) {
			if last = err; err == nil {
				got = append(got, string(m.ID))
			}
		}
		if len(got) != limit || want == "" && last != nil || want != "" && (last == nil || web.AsProblem(last).Status != http.StatusRequestEntityTooLarge || !strings.Contains(last.Error(), want)) {
			t.Errorf("limit %d: %v, %v", limit, got, last)
		}
	}
}

// No more lists than bounded come in of all networks together.
func TestBulkGate(t *testing.T) {
	var g bulkGate
	for i := range maxBulkOfAll {
		if err := g.enter("acme"); i < maxBulkOfNetwork != (err == nil) {
			t.Errorf("list %d of a network: %v", i, err)
		}
	}
	g.leave("acme")
	g.leave("acme")
	for range 3 {
		for i := range maxBulkOfAll + 1 {
			if err := g.enter(chatbell.NetworkID(fmt.Sprint("n", i))); i < maxBulkOfAll != (err == nil) {
				t.Errorf("list %d of all networks: %v", i, err)
			}
		}
		for i := range maxBulkOfAll {
			g.leave(chatbell.NetworkID(fmt.Sprint("n", i)))
		}
	}
	if g.all != 0 || len(g.of) != 0 {
		t.Errorf("%d lists are left, %v", g.all, g.of)
	}
}
