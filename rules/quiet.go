package rules

import (
	"time"
	_ "time/tzdata" // so that a decision does not depend on what the machine has installed

	"chatbell"
)

// quiet reports whether now is within a person's quiet hours: from From on, until
// before To, on the clock of the place where the person is.
func (c *Context) quiet(quiet *chatbell.QuietHours, r *chatbell.Recipient) bool {
	from, ok1 := minutes(quiet.From)
	until, ok2 := minutes(quiet.To)
	if !ok1 || !ok2 || from == until {
		return false
	}
	local := c.Now.In(c.zoneOf(quiet, r))
	minute := local.Hour()*60 + local.Minute()
	if from < until {
		return from <= minute && minute < until
	}
	return minute >= from || minute < until
}

// zoneOf is the first timezone that is known: the one of the quiet hours, of the
// user, of the device that was registered last (it is where the person is), else
// UTC. Quiet hours are a wish for silence: on a clock that is hours off they still
// are, which cannot be said of not having them at all.
func (c *Context) zoneOf(q *chatbell.QuietHours, r *chatbell.Recipient) *time.Location {
	if found := c.zone(q.Timezone); found != nil {
		return found
	}
	if z := c.zone(r.User.Timezone); z != nil {
		return z
	}
	var best *time.Location
	var since time.Time
	for i := range r.Devices {
		device := &r.Devices[i]
		if best != nil && !device.RegisteredAt.After(since) {
			continue
		}
		if z := c.zone(device.Timezone); z != nil {
			best = z
			since = device.RegisteredAt
		}
	}
	if best != nil {
		return best
	}
	return time.UTC
}

// maxZones bounds what a context remembers. There are some 600 names; anything
// beyond is invented.
const maxZones = 1024

// zone looks a timezone up; nil when nobody knows it. "Local" would be the server's
// own, which is nobody's.
func (c *Context) zone(name string) *time.Location {
	if name == "" || name == "Local" || len(name) > 64 {
		return nil
	}
	if known, ok := c.zones[name]; ok {
		return known
	}
	place, err := time.LoadLocation(name)
	if err != nil {
		place = nil
	}
	if c.zones == nil || len(c.zones) >= maxZones {
		c.zones = map[string]*time.Location{}
	}
	c.zones[name] = place
	return place
}

// minutes reads "HH:MM" as minutes since midnight.
func minutes(s string) (int, bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	clock, err := time.Parse("15:04", s)
	return clock.Hour()*60 + clock.Minute(), err == nil
}
