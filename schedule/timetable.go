package schedule

import (
	"fmt"
	"strings"
	"time"

	cron "github.com/netresearch/go-cron"
)

// syntax is what an expression may say. Its days are alternatives, as in crontab(5); the parser would have both hold.
const syntax = cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom

// everyHour is how the parser marks a field that is a star.
const everyHour = 1 << 63

// timetable is a plan whose times can be asked.
type timetable struct {
	Plan
	times *cron.SpecSchedule // in the zone
	walls *cron.SpecSchedule // in UTC: what clocks on the wall show
	zone  *time.Location
}

// newTimetable checks a plan. Field is its name in the configuration.
func newTimetable(p Plan, field string) (timetable, error) {
	if err := p.check(field); err != nil {
		return timetable{}, err
	}
	zone, err := time.LoadLocation(p.Zone)
	if err != nil || p.Zone == "Local" { // which every node may have another one of
		return timetable{}, badConfig(field+".Zone", fmt.Sprintf("%q, which is not known here", p.Zone),
			`a name of the IANA data base, like "Europe/Berlin", or "" for UTC; import time/tzdata where the system has none`)
	}
	const right = `five fields, like "30 2 * * *" for 02:30 every day, six with seconds, or a word like @daily`
	if strings.Contains(p.Cron, "TZ=") {
		return timetable{}, badConfig(field+".Cron", fmt.Sprintf("%q", p.Cron), "an expression without a zone: that is Zone")
	}
	parser, err := cron.TryNewParser(syntax)
	if err != nil {
		return timetable{}, fmt.Errorf("schedule: %w", err)
	}
	parsed, err := parser.Parse(p.Cron)
	if err != nil {
		return timetable{}, fmt.Errorf("%w: %w", badConfig(field+".Cron", fmt.Sprintf("%q", p.Cron), right), err)
	}
	times, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return timetable{}, badConfig(field+".Cron", fmt.Sprintf("%q", p.Cron), right+"; @every has no time that nodes could agree on")
	}
	walls := *times
	times.Location, walls.Location = zone, time.UTC
	t := timetable{Plan: p, times: times, walls: &walls, zone: zone}
	if t.next(time.Now()).IsZero() {
		return timetable{}, badConfig(field+".Cron", fmt.Sprintf("%q, which is never", p.Cron), right)
	}
	return t, nil
}

// next returns the first planned time after then; zero, if there is none in the next years.
func (t *timetable) next(then time.Time) time.Time {
	then = then.In(t.zone)
	next := t.times.Next(then)
	if t.times.Hour&everyHour != 0 {
		return next
	}
	for !next.IsZero() && repeated(next) {
		next = t.times.Next(next)
	}
	return t.orMoved(then, next)
}

// orMoved returns next, or the first time after then that fell between two shows of the clock, and was moved, if that is earlier. The parser
// does not find all of these: none at midnight.
func (t *timetable) orMoved(then, next time.Time) time.Time {
	set, end := then.ZoneBounds()
	if set.IsZero() {
		set = end
	}
	for !set.IsZero() && set.Before(next) {
		if moved := t.moved(set, then); !moved.IsZero() && moved.Before(next) {
			return moved
		}
		_, set = set.ZoneBounds()
	}
	return next
}

// moved returns the first time after then of those that do not exist because clocks were set forward at set; zero, if there is none.
func (t *timetable) moved(set, then time.Time) time.Time {
	forward := -setBack(set)
	_, before := set.Add(-time.Nanosecond).Zone()
	first := set.UTC().Add(time.Duration(before) * time.Second) // what the clock would have shown
	wall := t.walls.Next(first.Add(-time.Second))
	for ; !wall.IsZero() && wall.Sub(first) < forward; wall = t.walls.Next(wall) {
		if moved := set.Add(wall.Sub(first)); moved.After(then) {
			return moved
		}
	}
	return time.Time{}
}

// last returns the last planned time that is after since and not after now; zero, if there is none.
func (t *timetable) last(since, now time.Time) time.Time {
	last := time.Time{}
	for then := t.next(since); !then.IsZero() && !then.After(now); then = t.next(then) {
		last = then
	}
	return last
}

// repeated says whether the clock on the wall showed the same already, before it was set back.
func repeated(then time.Time) bool {
	set, _ := then.ZoneBounds()
	return !set.IsZero() && then.Sub(set) < setBack(set)
}

// setBack returns by how much clocks were set back at that moment; it is negative when they were set forward.
func setBack(set time.Time) time.Duration {
	_, before := set.Add(-time.Nanosecond).Zone()
	_, after := set.Zone()
	return time.Duration(before-after) * time.Second
}
