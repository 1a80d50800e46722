package deliver

import "time"

// rateWindow is over how long a destination's speed is measured.
const rateWindow = time.Second

// meter is the rate meter of one destination, in finished tries. The queue's lock guards it.
type meter struct {
	since    time.Time // the window's start
	finished int
	rate     float64 // per second over the last full window; 0 unknown
}

// roll begins a new window where the old one is over.
func (m *meter) roll(now time.Time) {
	elapsed := now.Sub(m.since)
	if elapsed < rateWindow {
		return
	}
	m.rate = float64(m.finished) / elapsed.Seconds()
	m.finished = 0
	m.since = now
}

// estimate is how long the last of n waiting tries will wait.
func (m *meter) estimate(n int, now time.Time) time.Duration {
	rate := m.rate
	elapsed := now.Sub(m.since)
	switch {
	case elapsed >= rateWindow: // the window is over and nothing closed it: it is slower than that
		rate = float64(m.finished) / elapsed.Seconds()
	case rate == 0:
		return 0 // too early to tell
	}
	if rate == 0 {
		return 24 * time.Hour
	}
	return time.Duration(float64(n) / rate * float64(time.Second))
}
