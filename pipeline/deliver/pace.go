package deliver

import "time"

// maxPause bounds how long one answer may stop a destination: a mistaken Retry-After of
// years is not believed.
const maxPause = time.Hour

// pace is how fast a destination wants to be called (adaptive concurrency, AIMD): each
// refusal for being too fast halves what is under way at once, each success adds a little,
// and a Retry-After stops all of it for so long. The queue's lock guards it.
type pace struct {
	allowed float64 // tries under way at once; 0 means as many as the destination takes
	halved  time.Time
	until   time.Time
}

// halving is how often one wave of refusals may slow a destination down.
const halving = time.Second

// window is how many tries may be under way at once.
func (p *pace) window(limit int) int {
	if p.allowed == 0 {
		return limit
	}
	return max(1, min(limit, int(p.allowed)))
}

// pausedFor is for how long nothing may begin.
func (p *pace) pausedFor(now time.Time) time.Duration { return max(p.until.Sub(now), 0) }

// limited takes a refusal for being too fast.
func (p *pace) limited(limit int, now time.Time, retryAfter time.Duration) {
	if until := now.Add(min(retryAfter, maxPause)); until.After(p.until) {
		p.until = until
	}
	if now.Sub(p.halved) < halving {
		return
	}
	p.halved = now
	p.allowed = max(1, float64(p.window(limit))/2)
}

// succeeded takes a success: a full window of them makes the window one larger.
func (p *pace) succeeded(limit int) {
	if p.allowed == 0 {
		return
	}
	p.allowed += 1 / max(p.allowed, 1)
	if p.allowed >= float64(limit) {
		p.allowed = 0
	}
}
