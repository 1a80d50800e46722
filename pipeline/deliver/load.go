package deliver

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"chatbell"
)

// Load is what the destinations of one kind have in memory.
type Load struct {
	Target  chatbell.TargetKind
	Waiting int // tries that wait for their turn
	Sending int // tries under way

	// How many destinations there are by the state of their breakers.
	Closed, Degraded, Open int
	// Holding is how many credentials have their work held because they refuse too many
	// tokens; of Sparing nothing is done to devices for that reason, and work goes on.
	Holding, Sparing int
}

// HostLoad is how many push services of one kind there are, by the state of their breakers.
type HostLoad struct {
	Target       chatbell.TargetKind
	Closed, Open int
}

// Hosts sums up the breakers of push services that somebody speaks to.
func (d *Dispatcher) Hosts() []HostLoad {
	d.hostsLock.Lock()
	defer d.hostsLock.Unlock()
	sums := map[chatbell.TargetKind]HostLoad{}
	for _, one := range d.hosts {
		sum := sums[one.target]
		sum.Target = one.target
		if one.isAway() {
			sum.Open++
		} else {
			sum.Closed++
		}
		sums[one.target] = sum
	}
	return slices.Collect(maps.Values(sums))
}

// Degraded says in words what is held up at the moment and by whom: one sentence for each
// push service that is away, and for each kind of credentials that refuse too many tokens.
func (d *Dispatcher) Degraded() []string {
	var out []string
	for _, l := range d.Load() {
		if l.Holding > 0 {
			out = append(out, fmt.Sprintf("%s: credentials whose tokens are refused, so that their pushes wait: %d; the log names them, and says what to compare", l.Target, l.Holding))
		}
	}
	d.hostsLock.Lock()
	defer d.hostsLock.Unlock()
	for _, one := range d.hosts {
		if one.isAway() {
			out = append(out, fmt.Sprintf("%s: %s does not answer; what goes there waits until it does", one.target, one.name))
		}
	}
	slices.Sort(out)
	return out
}

// Load sums up the queues of all destinations. It costs some 50 ns for each
// destination that was used since the start.
func (d *Dispatcher) Load() []Load {
	now := time.Now()
	sums := map[chatbell.TargetKind]*Load{}
	d.mu.Lock()
	for destination, line := range d.queues {
		l := sums[destination.Kind()]
		if l == nil {
			l = &Load{Target: destination.Kind()}
			sums[destination.Kind()] = l
		}
		line.load(l, now)
	}
	d.mu.Unlock()
	out := make([]Load, 0, len(sums))
	for _, l := range sums {
		out = append(out, *l)
	}
	return out
}

// load adds what the queue has.
func (q *queue) load(sum *Load, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.tasks.Len()
	sum.Waiting += waiting
	sum.Sending += q.breaker.trying
	busy := waiting+q.breaker.trying > 0
	switch {
	case q.refused.holding:
		sum.Holding++
	case q.refused.sparing():
		sum.Sparing++
	}
	switch {
	case q.breaker.open(busy, now):
		sum.Open++
	case q.breaker.quiet(busy, now):
		sum.Degraded++
	default:
		sum.Closed++
	}
}
