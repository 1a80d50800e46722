package condition

import "testing"

// The count of rows that wait is right again whenever nothing waits.
func TestRowLag(t *testing.T) {
	var l rowLag
	for _, x := range []struct {
		what              string
		written, recorded uint64
		messages, want    float64
	}{
		{"what an earlier process left", 0, 0, 3, 3},
		{"and what came since", 50, 0, 4, 50},
		{"it is recorded, 6,000 rows", 50, 6050, 0, 0},
		{"new ones", 57, 6050, 2, 7},
		{"some of them recorded", 57, 6053, 1, 4},
		{"all of them", 57, 6057, 0, 0},
		{"one whose acknowledgement was lost", 57, 6057, 1, 1},
		{"recorded, too", 57, 6060, 0, 0},
		{"and the next", 60, 6060, 1, 3},
	} {
		if got := l.rows(x.written, x.recorded, x.messages); got != x.want {
			t.Errorf("%s: %v, want %v", x.what, got, x.want)
		}
	}
}
