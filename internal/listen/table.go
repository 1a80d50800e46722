package listen

import (
	"container/heap"
	"container/list"
	"net/netip"
)

// table holds connections by the address that they came from, in the order in which
// something last began or ended on them. The zero value is empty.
type table struct {
	count  int
	groups map[netip.Addr]*group
	ranked ranking
}

// group is the connections of one address.
type group struct {
	from  netip.Addr
	conns list.List // of *conn, the quietest first
	index int       // in the ranking
}

func (g *group) oldest() *conn { return g.conns.Front().Value.(*conn) } //nolint:forcetypeassert // the list holds nothing else

func (t *table) add(link *conn) {
	peers := t.groups[link.from]
	if peers == nil {
		if t.groups == nil {
			t.groups = map[netip.Addr]*group{}
		}
		peers = &group{from: link.from}
		t.groups[link.from] = peers
		link.at = peers.conns.PushBack(link)
		heap.Push(&t.ranked, peers)
	} else {
		link.at = peers.conns.PushBack(link)
		heap.Fix(&t.ranked, peers.index)
	}
	t.count++
}

func (t *table) remove(link *conn) {
	peers := t.groups[link.from]
	peers.conns.Remove(link.at)
	t.count--
	if peers.conns.Len() > 0 {
		heap.Fix(&t.ranked, peers.index)
		return
	}
	heap.Remove(&t.ranked, peers.index)
	delete(t.groups, link.from)
}

// oldest is the quietest connection of the address that has most of them; nil when
// there is none.
func (t *table) oldest() *conn {
	if len(t.ranked) == 0 {
		return nil
	}
	return t.ranked[0].oldest()
}

// ranking is a heap of addresses: who has most connections comes first, and of those
// that have equally many the one with the quietest.
type ranking []*group

func (r ranking) Len() int { return len(r) }

func (r ranking) Less(i, j int) bool {
	one := r[i].conns.Len()
	other := r[j].conns.Len()
	if one != other {
		return one > other
	}
	if one == 0 { // on its way out
		return false
	}
	return r[i].oldest().since.Before(r[j].oldest().since)
}

func (r ranking) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].index = i
	r[j].index = j
}

// Push is for the package heap.
func (r *ranking) Push(x any) {
	peers := x.(*group) //nolint:forcetypeassert // add pushes nothing else
	peers.index = len(*r)
	*r = append(*r, peers)
}

// Pop is for the package heap.
func (r *ranking) Pop() any {
	old := *r
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*r = old[:len(old)-1]
	return last
}
