package schedule

import (
	_ "embed"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the machine of a test may have none, or another one

	"github.com/stretchr/testify/require"
)

//go:embed testdata/zones.txt
var zones string

// spec is an expression, and the same as a condition on what the clock shows.
type spec struct {
	cron  string
	names func(wall time.Time) bool
	every bool // hour
}

// at returns the condition that the clock shows that time.
func at(hour, minute int, also ...func(time.Time) bool) func(time.Time) bool {
	return func(w time.Time) bool {
		return w.Hour() == hour && w.Minute() == minute && !slices.ContainsFunc(also,
			func(f func(time.Time) bool) bool { return !f(w) })
	}
}

// on returns the condition that it is that day of the week.
func on(day time.Weekday) func(time.Time) bool {
	return func(w time.Time) bool { return w.Weekday() == day }
}

// specs are those that all zones are compared by.
func specs() []spec {
	return []spec{
		{cron: "0 0 * * *", names: at(0, 0)},
		{cron: "30 2 * * *", names: at(2, 30)},
		{cron: "0 9 * * *", names: at(9, 0)},
		{cron: "45 1 * * *", names: at(1, 45)},
		{cron: "0 9 * * FRI", names: at(9, 0, on(time.Friday))},
		{cron: "0 9 * * sat", names: at(9, 0, on(time.Saturday))},
		{cron: "0 9 * * SUN", names: at(9, 0, on(time.Sunday))},
		{cron: "5 4 * * THU", names: at(4, 5, on(time.Thursday))},
		{cron: "0 12 1 * *", names: at(12, 0, func(w time.Time) bool { return w.Day() == 1 })},
		{
			cron:  "*/15 0-3,23 * * *",
			names: func(w time.Time) bool { return (w.Hour() < 4 || w.Hour() == 23) && w.Minute()%15 == 0 },
		},
		{cron: "@hourly", names: func(w time.Time) bool { return w.Minute() == 0 }, every: true},
		{cron: "*/20 * * * MON-FRI", every: true, names: func(w time.Time) bool {
			return w.Minute()%20 == 0 && w.Weekday() != time.Saturday && w.Weekday() != time.Sunday
		}},
	}
}

// wallOf returns what the clock shows at then, as a date without a zone.
func wallOf(then time.Time) time.Time {
	return time.Date(then.Year(), then.Month(), then.Day(), then.Hour(), then.Minute(), 0, 0, time.UTC)
}

// instant is a minute that passes, the time that the clock shows, and the times that it left out
// before.
type instant struct {
	at      time.Time
	wall    time.Time
	again   bool // it showed that already
	skipped []time.Time
}

// minutes watches a clock on the wall from minute to minute.
func minutes(zone *time.Location, from, to time.Time) []instant {
	var all []instant
	latest := wallOf(from.In(zone)).Add(-time.Minute) // that the clock showed
	for then := from; then.Before(to); then = then.Add(time.Minute) {
		i := instant{at: then, wall: wallOf(then.In(zone))}
		i.again = !i.wall.After(latest)
		for next := latest.Add(time.Minute); next.Before(i.wall); next = next.Add(time.Minute) {
			i.skipped = append(i.skipped, next)
		}
		if !i.again {
			latest = i.wall
		}
		all = append(all, i)
	}
	return all
}

// fires is the model: the times that a plan has among these minutes.
func (s spec) fires(all []instant) []time.Time {
	var times []time.Time
	for _, i := range all {
		if s.names(i.wall) && (s.every || !i.again) {
			times = append(times, i.at)
		}
		for n, wall := range i.skipped {
			if s.names(wall) && !s.every {
				times = append(times, i.at.Add(time.Duration(n)*time.Minute))
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return slices.CompactFunc(times, time.Time.Equal)
}

// setting is one setting of the clocks of a zone.
type setting struct {
	zone string
	at   time.Time
}

// settings returns those of all zones from 2024 to 2030; or, of those that are the same in several
// zones, one, and of those by one hour at another time than midnight a sample.
func settings(t *testing.T, all bool) []setting {
	t.Helper()
	var found []setting
	known := map[string]bool{}
	from, to := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	names := strings.Fields(zones)
	require.Len(t, names, 488)
	for _, name := range names {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		for _, set := from.In(zone).ZoneBounds(); !set.IsZero() && set.Before(to); _, set = set.ZoneBounds() {
			key := fmt.Sprint(set.Add(-1), set) // with both offsets
			before, after := offsets(set, set)
			usual := (after-before).Abs() == time.Hour && set.Hour() > 1
			if all || !known[key] && (!usual || len(known)%10 == 0) {
				found = append(found, setting{zone: name, at: set})
			}
			known[key] = true
		}
	}
	return found
}

// differences compares timetables with the model, for some days around a setting of the clocks.
func (s setting) differences(t *testing.T) []string {
	t.Helper()
	first, end := s.at.UTC().Truncate(time.Hour).Add(-15*time.Hour), s.at.UTC().Truncate(time.Hour).Add(45*time.Hour)
	all := minutes(s.at.Location(), first, end)
	var found []string
	for _, spec := range specs() {
		want, got := spec.fires(all), []time.Time{}
		tt := table(t, spec.cron, s.zone)
		for then := tt.next(first.Add(-time.Second)); then.Before(end); then = tt.next(then) {
			got = append(got, then)
		}
		if !slices.EqualFunc(want, got, time.Time.Equal) {
			found = append(found,
				fmt.Sprintf("%s in %s, set at %v: fires at %v, should at %v", spec.cron, s.zone, s.at, got, want))
		}
	}
	return found
}

// TestScenario44_PlansFollowTheClockOnTheWall: in all zones, whenever clocks are set from 2024 to
// 2030, each plan fires at the times that a clock there shows. With
// GENTASK_ZONES=all no setting is left out.
func TestScenario44_PlansFollowTheClockOnTheWall(t *testing.T) {
	var found []string
	for _, s := range settings(t, os.Getenv("GENTASK_ZONES") == "all") {
		found = append(found, s.differences(t)...)
	}
	require.Empty(t, found)
}

// TestScenario44_NoWeekdayIsLeftOut: days whose midnight does not exist are days all the same.
func TestScenario44_NoWeekdayIsLeftOut(t *testing.T) {
	for name, want := range map[string]string{
		"0 9 * * FRI Africa/Cairo":       "2027-04-30T09:00:00+03:00",
		"0 0 * * FRI Africa/Cairo":       "2027-04-30T01:00:00+03:00",
		"0 9 30 4 * Africa/Cairo":        "2027-04-30T09:00:00+03:00",
		"0 9 * * SUN Asia/Beirut":        "2027-03-28T09:00:00+03:00",
		"0 9 * * SUN America/Santiago":   "2027-09-05T09:00:00-03:00",
		"0 9 * * * Australia/Lord_Howe":  "2027-10-03T09:00:00+11:00",
		"15 2 * * * Australia/Lord_Howe": "2027-10-03T02:45:00+11:00",
		"0 9 30 12 * Pacific/Apia":       "2011-12-31T09:00:00+14:00", // a day that never was
	} {
		t.Run(name, func(t *testing.T) {
			cut := strings.LastIndex(name, " ")
			due, err := time.Parse(time.RFC3339, want)
			require.NoError(t, err)
			tt := table(t, name[:cut], name[cut+1:])
			require.Equal(t, want, tt.next(due.Add(-20*time.Hour)).Format(time.RFC3339))
		})
	}
}
