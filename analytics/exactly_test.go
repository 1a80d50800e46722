package analytics_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatbell"
	"chatbell/analytics/clickhouse/clickhousetest"
)

// half is a first or second half of the story that is told below, with gaps between
// the sequence numbers, as a log has where messages were removed.
func half(m *memory, network chatbell.NetworkID, second bool) {
	if !second {
		m.put(1, rows(network, false, 0, 1))
		m.put(3, rows(network, true, 1, 2)) // 1 comes again in the same block
		m.put(4, rows(network, false, 3))
		return
	}
	m.put(5, rows(network, true, 0, 1, 2, 3)) // nothing new
	m.put(9, rows(network, true, 3, 4, 4))
	m.putRaw(10, []byte(`{"deliveries":[`))
	m.put(11, rows(network, false, 5))
	m.put(12, &chatbell.Results{})
}

// story plays two blocks with a fault at one step. The second block's records come when
// the fault has happened, so that the repeat of a block sees more than the block had.
// It gives the name of the step, or nothing if there is no such step.
func story(t *testing.T, db tables, fault int, crash bool) (where string) {
	network := chatbell.NetworkID(fmt.Sprintf("n%d-%v", fault, crash))
	m := newMemory(t)
	m.impatient, m.began = true, at.Add(time.Duration(fault)*time.Hour) // another log for the tokens, too
	if crash {
		m.began = m.began.Add(time.Minute)
	}
	steps := 0
	f := faulty{m, db, func(step string) error {
		if steps++; steps == fault {
			where = fmt.Sprintf("%d, %s", steps, step)
			return errFault
		}
		return nil
	}}
	half(m, network, false)
	told := false
	r := f.recorder(t)
	for range 50 {
		err := r.Step(t.Context())
		if crash && err != nil {
			r = f.recorder(t)
		}
		if !told && (err != nil || m.done() == 4) {
			told = true
			half(m, network, true)
		}
		if m.done() == 12 {
			break
		}
	}
	check(t, db, network, rows(network, false, 0, 1, 2, 3, 4, 5))
	return where
}

// Whichever step fails, before it was done or after, and whether the process goes on or
// another takes over: each row is there once.
func TestExactlyOnceWithAFaultAtEachStep(t *testing.T) {
	t.Parallel()
	engine := newReal(t, clickhousetest.Shared(t))
	for name, tc := range map[string]struct {
		crash bool
		db    func() tables
	}{
		"goes on":              {false, func() tables { return newModel() }},
		"crashes":              {true, func() tables { return newModel() }},
		"crashes, real tables": {true, func() tables { return engine }},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, tc.db(), 0, tc.crash)
			for fault := 1; ; fault++ {
				where := story(t, tc.db(), fault, tc.crash)
				if t.Failed() {
					t.Fatalf("with a fault at step %s", where)
				}
				if where == "" {
					if fault <= 20 {
						t.Errorf("the story has only %d steps: the test has gone blind", fault-1)
					}
					return
				}
			}
		})
	}
}

// exact is the property: whatever the log holds, whatever fails and whenever another
// process takes over, the tables hold exactly the rows that there are.
func exact(rt *rapid.T, t *testing.T, db tables, network chatbell.NetworkID, began time.Time) {
	m := newMemory(t)
	m.impatient, m.began = true, began
	trouble := 60 // then it is quiet, so that the story ends
	f := faulty{m, db, func(step string) error {
		if trouble--; trouble > 0 && rapid.IntRange(0, 5).Draw(rt, step) == 0 {
			return fmt.Errorf("%w: %s", errFault, step)
		}
		return nil
	}}
	used, last, bad := 0, uint64(0), 0
	write := func() {
		last += uint64(rapid.IntRange(1, 3).Draw(rt, "distance"))
		switch rapid.IntRange(0, 9).Draw(rt, "kind") {
		case 0:
			bad++
			m.putRaw(last, []byte("nonsense"))
		case 1, 2, 3, 4: // rows that nobody has seen
			n := rapid.IntRange(0, 4).Draw(rt, "rows")
			var numbers []int
			for range n {
				numbers = append(numbers, used)
				used++
			}
			m.put(last, rows(network, false, numbers...))
		default: // old ones and the next unused one, some of them twice
			numbers := rapid.SliceOfN(rapid.IntRange(0, used), 0, 5).Draw(rt, "numbers")
			for _, n := range numbers {
				used = max(used, n+1)
			}
			m.put(last, rows(network, true, numbers...))
		}
	}
	r := f.recorder(t)
	for range rapid.IntRange(1, 8).Draw(rt, "rounds") {
		for range rapid.IntRange(0, 40).Draw(rt, "records") { // more than one read takes
			write()
		}
		if err := r.Step(t.Context()); err != nil && rapid.Bool().Draw(rt, "crash") {
			r = f.recorder(t)
		}
	}
	for range 200 {
		if m.done() == last {
			break
		}
		if err := r.Step(t.Context()); err != nil && rapid.Bool().Draw(rt, "crash") {
			r = f.recorder(t)
		}
	}
	all := make([]int, used)
	for i := range all {
		all[i] = i
	}
	check(rt, db, network, rows(network, false, all...))
}

func TestExactlyOnceProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { exact(rt, t, newModel(), "acme", at) })
}

// The same on the engine, with fewer stories, because each takes a while.
func TestExactlyOncePropertyOnTheEngine(t *testing.T) {
	db := newReal(t, clickhousetest.Shared(t))
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	if err := checks.Value.Set("10"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := checks.Value.Set(before); err != nil {
			t.Error(err)
		}
	}()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		exact(rt, t, db, chatbell.NetworkID(fmt.Sprint("n", n)), at.Add(time.Duration(n)*time.Hour))
	})
}
