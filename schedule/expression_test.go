package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	cron "github.com/netresearch/go-cron"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
)

// TestNamesInAnyCase: names of days, months and descriptors are read in capitals and in small
// letters.
func TestNamesInAnyCase(t *testing.T) {
	for text, same := range map[string]string{
		"0 9 * * THU":                           "0 9 * * 4",
		"0 9 * * MON-THU":                       "0 9 * * 1-4",
		"0 9 * * Tue,THU,sAt":                   "0 9 * * 2,4,6",
		"0 9 * MAR-may *":                       "0 9 * 3-5 *",
		"0 0 1 JAN,MARCH *":                     "",
		"0 0 * * THURSDAY":                      "",
		"@DAILY":                                "0 0 * * *",
		"  @Hourly ":                            "0 * * * *",
		"@midnight":                             "@daily",
		"@annually":                             "@yearly",
		"\t0  9 * * MON-FRI":                    "0 9 * * 1-5",
		"0 9 * * FRI-MON":                       "0 9 * * 0,1,5,6",
		"0 9 * * FRI-MON/2":                     "0 9 * * FRI,SUN",
		"0 9 * * 5-7":                           "0 9 * * FRI-SUN",
		"0 9 * * 0-7":                           "0 9 * * 0-6",
		"0 9 * NOV-FEB *":                       "0 9 * 1,2,11,12 *",
		"0 22-2 * * *":                          "0 22,23,0,1,2 * * *",
		"5/20 * * * *":                          "5,25,45 * * * *",
		"0 0 ? * MON":                           "0 0 * * MON",
		"0 0 * * MON/2":                         "0 0 * * MON,WED,FRI",
		"0 0 */1 * MON":                         "0 0 * * MON",
		"0 */90 * * *":                          "",
		"*/60 * * * *":                          "",
		"1,,2 * * * *":                          "",
		"1, * * * *":                            "",
		"+5 * * * *":                            "",
		"-5 * * * *":                            "",
		"005 * * * *":                           "",
		"*-5 * * * *":                           "",
		"1-2-3 * * * *":                         "",
		"1/2/3 * * * *":                         "",
		"1/ * * * *":                            "",
		"*/0 * * * *":                           "",
		"٥ * * * *":                             "",
		"0 0 0 * *":                             "",
		"0 0 * 13 *":                            "",
		"0 0 * * 8":                             "",
		"0 24 * * *":                            "",
		"0 0 L * *":                             "",
		"0 0 15W * *":                           "",
		"0 0 * * FRI#3":                         "",
		"H * * * *":                             "",
		"0 0 * * JAN":                           "",
		"@reboot":                               "",
		"@":                                     "",
		"":                                      "",
		"* * * *":                               "",
		"* * * * * * *":                         "",
		strings.Repeat("1,", 600) + "1 * * * *": "",
	} {
		t.Run(fmt.Sprintf("%.30s", text), func(t *testing.T) {
			got, err := newTimetable(Plan{Name: "p", Cron: text}, "Plan")
			if same == "" {
				require.ErrorIs(t, err, queue.ErrConfig)
				require.ErrorContains(t, err, "right would be")
				require.Less(t, len(err.Error()), 400)
				return
			}
			require.NoError(t, err)
			require.Equal(t, table(t, same, "").expression, got.expression)
		})
	}
}

// TestExpressionsAreReadAsByCron: in UTC, where clocks are never set, a timetable has the times
// that another reader of cron expressions finds.
func TestExpressionsAreReadAsByCron(t *testing.T) {
	parser, err := cron.TryNewParser(cron.SecondOptional | cron.Minute | cron.Hour |
		cron.Dom | cron.Month | cron.Dow | cron.DowOrDom)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		part := func(name string, low, high int) string {
			from, to := rapid.IntRange(low, high).Draw(t, name), rapid.IntRange(low, high).Draw(t, name)
			return rapid.SampledFrom([]string{
				"*", "*/2", "*/3", fmt.Sprint(from), fmt.Sprintf("%d,%d", from, to), fmt.Sprintf("%d-%d", from, to),
				fmt.Sprintf("%d-%d", min(from, to), max(from, to)),
			}).Draw(t, name)
		}
		text := strings.Join([]string{
			part("second", 0, 59), part("minute", 0, 59), part("hour", 0, 23), part("dom", 1, 28),
			part("month", 1, 12), part("dow", 0, 6),
		}, " ")
		model, err := parser.Parse("TZ=UTC " + text)
		require.NoError(t, err, text)
		tt, then := table(t, text, ""), time.Unix(rapid.Int64Range(1.7e9, 2e9).Draw(t, "then"), 0).UTC()
		for range 5 {
			want := model.Next(then)
			require.Equal(t, want, tt.next(then), "%s after %v", text, then)
			then = want
		}
	})
}

// TestLeapDays are found also across 2100, which has none.
func TestLeapDays(t *testing.T) {
	tt := table(t, "30 2 29 2 *", "Europe/Berlin")
	then := time.Date(2095, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, want := range []string{"2096-02-29T02:30:00+01:00", "2104-02-29T02:30:00+01:00"} {
		then = tt.next(then)
		require.Equal(t, want, then.Format(time.RFC3339))
	}
}

// TestTheLastDayOfALeapYear has times like any other, in every zone.
func TestTheLastDayOfALeapYear(t *testing.T) {
	for _, zone := range []string{
		"Europe/Berlin", "America/New_York", "Australia/Sydney", "Africa/Cairo", "Asia/Tokyo",
		"UTC",
	} {
		for year := 2024; year < 2120; year++ {
			tt := table(t, "30 2 * * *", zone)
			then := time.Date(year, 12, 29, 12, 0, 0, 0, tt.zone)
			for day := range 5 {
				then = tt.next(then)
				require.Equal(t, time.Date(year, 12, 30+day, 2, 30, 0, 0, tt.zone).Unix(), then.Unix(), "%v", then)
			}
		}
	}
}

// TestTheLastTimeIsFoundAtOnce, also among the seconds of three centuries.
func TestTheLastTimeIsFoundAtOnce(t *testing.T) {
	now := time.Date(2027, 6, 1, 12, 0, 0, 500, time.UTC)
	for text, want := range map[string]string{
		"* * * * * *":    "2027-06-01T12:00:00Z",
		"* * * * 1 *":    "2027-01-31T23:59:59Z",
		"0 0 29 2 *":     "2024-02-29T00:00:00Z",
		"0 12 1 6 *":     "2027-06-01T12:00:00Z",
		"1 0 12 1 6 *":   "2026-06-01T12:00:01Z",
		"59 59 23 * * *": "2027-05-31T23:59:59Z",
	} {
		tt := table(t, text, "")
		require.Equal(t, want, tt.last(now.Add(-1<<63), now).Format(time.RFC3339), text)
		require.True(t, tt.last(now, now).IsZero())
		require.True(t, tt.last(now.Add(time.Hour), now).IsZero())
	}
}
