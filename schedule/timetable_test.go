package schedule

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
)

// table returns the timetable of an expression.
func table(t require.TestingT, cron, zone string) timetable {
	tt, err := newTimetable(Plan{Name: "p", Cron: cron, Zone: zone}, "Plan")
	require.NoError(t, err)
	return tt
}

// TestSummerTime is about times that do not exist, and times that exist twice.
func TestSummerTime(t *testing.T) {
	for name, c := range map[string]struct {
		cron, zone, after string
		want              []string
	}{
		"02:30 on the day without it": {
			"30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00+01:00",
			[]string{"2027-03-28T03:30:00+02:00", "2027-03-29T02:30:00+02:00"},
		},
		"02:30 on the day with two": {
			"30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00+02:00",
			[]string{"2027-10-31T02:30:00+02:00", "2027-11-01T02:30:00+01:00"},
		},
		"two times that become one are one": {
			"30 2,3 * * *", "Europe/Berlin", "2027-03-28T00:00:00+01:00",
			[]string{"2027-03-28T03:30:00+02:00", "2027-03-29T02:30:00+02:00", "2027-03-29T03:30:00+02:00"},
		},
		"every half hour that passes, in spring": {
			"*/30 * * * *", "Europe/Berlin", "2027-03-28T01:00:00+01:00",
			[]string{"2027-03-28T01:30:00+01:00", "2027-03-28T03:00:00+02:00", "2027-03-28T03:30:00+02:00"},
		},
		"every half hour that passes, in autumn": {
			"*/30 * * * *", "Europe/Berlin", "2027-10-31T02:00:00+02:00",
			[]string{
				"2027-10-31T02:30:00+02:00", "2027-10-31T02:00:00+01:00", "2027-10-31T02:30:00+01:00",
				"2027-10-31T03:00:00+01:00",
			},
		},
		"@hourly is every hour, too": {
			"@hourly", "Europe/Berlin", "2027-10-31T01:30:00+02:00",
			[]string{"2027-10-31T02:00:00+02:00", "2027-10-31T02:00:00+01:00", "2027-10-31T03:00:00+01:00"},
		},
		"a midnight that there is not": {
			"@daily", "America/Santiago", "2027-09-04T12:00:00-04:00",
			[]string{"2027-09-05T01:00:00-03:00", "2027-09-06T00:00:00-03:00"},
		},
		"clocks that are set by half an hour": {
			"45 1 * * *", "Australia/Lord_Howe", "2027-04-03T12:00:00+11:00",
			[]string{"2027-04-04T01:45:00+11:00", "2027-04-05T01:45:00+10:30"},
		},
		"UTC knows none of it": {
			"30 2 * * *", "", "2027-03-27T12:00:00Z", []string{"2027-03-28T02:30:00Z", "2027-03-29T02:30:00Z"},
		},
		"either of two days": {
			"0 0 13 * FRI", "", "2027-01-08T12:00:00Z", []string{"2027-01-13T00:00:00Z", "2027-01-15T00:00:00Z"},
		},
		"seconds": {
			"15 30 2 * * *", "", "2027-01-08T12:00:00Z", []string{"2027-01-09T02:30:15Z"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt := table(t, c.cron, c.zone)
			then, err := time.Parse(time.RFC3339, c.after)
			require.NoError(t, err)
			for _, want := range c.want {
				then = tt.next(then)
				require.Equal(t, want, then.Format(time.RFC3339))
			}
		})
	}
}

// TestTimesRise: for every expression, zone and moment, the next time is later, hours are
// skipped by no more than clocks are set, and the last time before it is found again.
func TestTimesRise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cron := rapid.SampledFrom([]string{
			"*/20 * * * *", "30 2 * * *", "15 1-3 * * *", "0 0 * * *", "@hourly",
			"5 4 * * SUN",
		}).Draw(t, "cron")
		zone := rapid.SampledFrom([]string{
			"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
			"America/Santiago",
		}).Draw(t, "zone")
		tt := table(t, cron, zone)
		then := time.Unix(rapid.Int64Range(1.75e9, 1.9e9).Draw(t, "then"), 0)
		next := tt.next(then)
		require.True(t, next.After(then))
		require.LessOrEqual(t, next.Sub(then), 7*24*time.Hour+time.Hour)
		require.True(t, tt.last(then, next).Equal(next))
		require.True(t, tt.last(then, next.Add(-time.Second)).IsZero())
	})
}

// TestBadPlansAreRefused, each with the field and what would be right.
func TestBadPlansAreRefused(t *testing.T) {
	good := Plan{Name: "a", Cron: "@daily"}
	with := func(change func(p *Plan)) []Plan {
		p := good
		change(&p)
		return []Plan{p}
	}
	for field, plans := range map[string][]Plan{
		"Config.Plans is empty":      nil,
		"Config.Plans[1].Name":       {good, good},
		"Config.Plans[0].Name":       with(func(p *Plan) { p.Name = "" }),
		"Config.Plans[0].Cron":       with(func(p *Plan) { p.Cron = "61 * * * *" }),
		"no time that nodes":         with(func(p *Plan) { p.Cron = "@every 5m" }),
		"which is never":             with(func(p *Plan) { p.Cron = "0 0 31 2 *" }),
		"without a zone":             with(func(p *Plan) { p.Cron = "CRON_TZ=Asia/Tokyo 0 5 * * *" }),
		`Zone is "Europe/Nowhere"`:   with(func(p *Plan) { p.Zone = "Europe/Nowhere" }),
		`Zone is "Local"`:            with(func(p *Plan) { p.Zone = "Local" }),
		"Config.Plans[0].Message is": with(func(p *Plan) { p.Message.UniqueKey = "k" }),
		"Message.Priority":           with(func(p *Plan) { p.Message.Priority = 10 }),
		"Config.Plans[0].Missed":     with(func(p *Plan) { p.Missed = 2 }),
	} {
		t.Run(field, func(t *testing.T) {
			err := Run(t.Context(), nil, Config{Plans: plans})
			require.ErrorIs(t, err, queue.ErrConfig)
			require.ErrorContains(t, err, field)
		})
	}
}
