package listen

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// The table gives the same connection as a search through all of them.
func TestTableAgainstSearch(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var tab table
	var all []*conn
	now := time.Unix(0, 0)
	search := func() *conn {
		count := map[netip.Addr]int{}
		for _, c := range all {
			count[c.from]++
		}
		return slices.MinFunc(all, func(a, b *conn) int {
			if count[a.from] != count[b.from] {
				return count[b.from] - count[a.from]
			}
			return a.since.Compare(b.since)
		})
	}
	for step := range 2_000 {
		now = now.Add(time.Second)
		switch n := random.IntN(10); {
		case n < 5 || len(all) == 0:
			c := &conn{from: netip.AddrFrom4([4]byte{127, 0, 0, byte(random.IntN(20))}), since: now}
			all = append(all, c)
			tab.add(c)
		case n < 8:
			i := random.IntN(len(all))
			c := all[i]
			tab.remove(c)
			if n < 7 {
				c.since = now
				tab.add(c)
				break
			}
			all = slices.Delete(all, i, i+1)
		default:
			c := tab.oldest()
			tab.remove(c)
			all = slices.DeleteFunc(all, func(other *conn) bool { return other == c })
		}
		if tab.count != len(all) {
			t.Fatalf("step %d: %d in the table, want %d", step, tab.count, len(all))
		}
		if len(all) > 0 && tab.oldest() != search() {
			t.Fatalf("step %d: %v, want %v", step, tab.oldest(), search())
		}
	}
}
