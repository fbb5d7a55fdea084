package schedule

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"sort"
	"strings"
	"time"
)

// timetable computes the times of a plan.
type timetable struct {
	Plan
	expression
	zone *time.Location
}

// horizon is how many years ahead a planned time is searched: leap days are up to eight apart.
const horizon = 9

// newTimetable checks a plan. field is its name in the configuration.
func newTimetable(p Plan, field string) (timetable, error) {
	if err := p.check(field); err != nil {
		return timetable{}, err
	}
	zone, err := time.LoadLocation(p.Zone)
	if err != nil || p.Zone == "Local" { // it may differ on every node
		return timetable{}, badConfig(field+".Zone", fmt.Sprintf("%q, which is not known here", p.Zone),
			`a name of the IANA data base, like "Europe/Berlin", or "" for UTC; import time/tzdata `+
				`where the system has none`)
	}
	const right = `five fields, like "30 2 * * *" for 02:30 every day, six with seconds, or a word like @daily`
	switch word := strings.ToLower(p.Cron); {
	case strings.Contains(word, "tz="):
		return timetable{}, badConfig(field+".Cron", fmt.Sprintf("%q", p.Cron),
			"an expression without a zone: that is Zone")
	case strings.HasPrefix(strings.TrimSpace(word), "@every"):
		return timetable{}, badConfig(field+".Cron", fmt.Sprintf("%q", p.Cron),
			right+"; @every has no time that nodes could agree on")
	}
	e, err := parse(p.Cron)
	if err != nil {
		return timetable{}, badConfig(field+".Cron", err, right)
	}
	// A later change by the caller must not change a firing.
	p.Message.Headers, p.Message.Body = maps.Clone(p.Message.Headers), bytes.Clone(p.Message.Body)
	p.Message.Properties = p.Message.Properties.OrNil()
	t := timetable{Plan: p, expression: e, zone: zone}
	if t.next(time.Now()).IsZero() {
		return timetable{}, badConfig(field+".Cron", fmt.Sprintf("%q, which is never", p.Cron), right)
	}
	return t, nil
}

// next returns the first planned time after then, or zero if there is none in the next years. It
// goes from one setting of the clocks to the next. In between, the clock on the wall runs evenly,
// so that wall times are found on the calendar and then converted.
func (t *timetable) next(then time.Time) time.Time {
	from := then.In(t.zone).Truncate(time.Second).Add(time.Second)
	last := from.AddDate(horizon, 0, 0)
	for from.Before(last) {
		start, end := bounds(from, last)
		shown, moved := t.shown(from, start, end), t.moved(from, start)
		switch {
		case shown.IsZero() && moved.IsZero():
			from = end
		case shown.IsZero(), !moved.IsZero() && moved.Before(shown):
			return moved
		default:
			return shown
		}
	}
	return time.Time{}
}

// bounds returns when clocks were set before from, and until when they are not set again; last at
// most.
func bounds(from, last time.Time) (start, end time.Time) {
	start, end = from.ZoneBounds()
	switch {
	case end.IsZero() || end.After(last):
		end = last
	case !end.After(from): // Go's answer on the last day of a leap year ends with the day before
		end = from.Add(24 * time.Hour)
	}
	return start, end
}

// shown returns the first planned time in [from, end) at which the clock shows a time that the
// expression names. Unless every hour counts, it leaves out times that the clock also showed before
// it was set back at start.
func (t *timetable) shown(from, start, end time.Time) time.Time {
	before, offset := offsets(start, from)
	if again := start.Add(before - offset); !start.IsZero() && !t.everyHour() && again.After(from) {
		from = again
	}
	wall := t.first(from.UTC().Add(offset), end.UTC().Add(offset))
	if wall.IsZero() {
		return wall
	}
	return wall.Add(-offset).In(t.zone)
}

// moved returns the first planned time at from or later of those that the clock never showed
// because it was set forward at start. They are as much later. There is none if every hour counts.
func (t *timetable) moved(from, start time.Time) time.Time {
	before, offset := offsets(start, from)
	if start.IsZero() || t.everyHour() || offset <= before {
		return time.Time{}
	}
	wall := t.first(from.UTC().Add(before), start.UTC().Add(offset))
	if wall.IsZero() {
		return wall
	}
	return wall.Add(-before).In(t.zone)
}

// offsets returns how far the clock was ahead of UTC before it was set at start, and is at from.
func offsets(start, from time.Time) (before, offset time.Duration) {
	_, was := start.Add(-time.Nanosecond).Zone()
	_, is := from.Zone()
	return time.Duration(was) * time.Second, time.Duration(is) * time.Second
}

// last returns the last planned time that is after since and not after now, or zero if there is
// none. Its cost does not depend on their number.
func (t *timetable) last(since, now time.Time) time.Time {
	after := func(seconds int) time.Time { return t.next(now.Add(-time.Duration(seconds) * time.Second)) }
	seconds := int(min(now.Sub(since)/time.Second+1, math.MaxInt32))
	back := sort.Search(seconds, func(i int) bool {
		next := after(i)
		return !next.IsZero() && !next.After(now)
	})
	if last := after(back); last.After(since) && !last.After(now) {
		return last
	}
	return time.Time{}
}
