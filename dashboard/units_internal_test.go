package dashboard

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/fleet"
)

// TestBody_AnyForm has its form, and at most a megabyte of it.
func TestBody_AnyForm(t *testing.T) {
	for _, c := range []struct {
		in   string
		form string
		want string
		cut  int
	}{
		{"", "empty", "", 0},
		{`{"b":1e400,"a":[1,"x"]}`, "JSON", "{\n  \"b\": 1e400,\n  \"a\": [\n    1,\n    \"x\"\n  ]\n}", 0},
		{`"text"`, "JSON", `"text"`, 0},
		{"a\tb\r\nc", "text", "a\tb\r\nc", 0},
		{"a\x00b", "binary", "00000000  61 00 62                                          |a.b|\n", 0},
		{"\xff", "binary", "00000000  ff                                                |.|\n", 0},
		{strings.Repeat("é", 1<<19) + "é", "text", strings.Repeat("é", 1<<19), 2},
		{"a" + strings.Repeat("é", 1<<19), "text", "a" + strings.Repeat("é", 1<<19-1), 2},
		{strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "text", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), 0},
		{`["\"[[["]`, "JSON", "[\n  \"\\\"[[[\"\n]", 0},
	} {
		b := bodyOf([]byte(c.in))
		require.Equal(t, c.form, b.Form, "%.40q", c.in)
		if c.want != b.Text {
			t.Errorf("%.40q: %.80q", c.in, b.Text) // a megabyte is no difference to read
		}
		require.Equal(t, c.cut, b.Cut, "%.40q", c.in)
		require.Equal(t, len(c.in), b.Size)
	}
	b := bodyOf([]byte(strings.Repeat("\x00", 1<<20)))
	require.Equal(t, 1<<20-mostBinary, b.Cut)
}

// TestNesting agrees with what is counted by hand.
func TestNesting(t *testing.T) {
	for in, want := range map[string]int{`1`: 0, `[]`: 1, `{"a":[{}]}`: 3, `["[{"]`: 1, `["\\",[]]`: 2} {
		require.Equal(t, want, nesting([]byte(in)), in)
	}
}

func TestFormats(t *testing.T) {
	require.Equal(t, "0", number(0))
	require.Equal(t, "999", number(999))
	require.Equal(t, "1,000", number(1000))
	require.Equal(t, "-1,234,567", number(-1234567))
	require.Equal(t, "18,446,744,073,709,551,615", number(uint64(math.MaxUint64)))
	require.Equal(t, "–", count(-1))
	require.Equal(t, "0", perSecond(0))
	require.Equal(t, "0.1", perSecond(0.1))
	require.Equal(t, "100", perSecond(100.4))
	require.Equal(t, "12,346", perSecond(12345.6))
	for d, want := range map[time.Duration]string{
		0: "0 ms", 999 * time.Millisecond: "999 ms", 9940 * time.Millisecond: "9.9 s", 59 * time.Second: "59 s",
		61 * time.Second: "1 m 01 s", 3 * time.Hour: "3 h 00 m", 49 * time.Hour: "2 d 01 h", -time.Second: "-1.0 s",
	} {
		require.Equal(t, want, duration(d))
	}
	require.NotEmpty(t, duration(math.MinInt64))
	require.Equal(t, "12 B", byteCount(12))
	require.Equal(t, "1.5 KiB", byteCount(1536))
	require.Equal(t, "1.0 MiB", byteCount(1<<20))
	require.Equal(t, "a…", clip("aé", 2))
	require.Equal(t, "1 job", plural(1, "job", "jobs"))
}

// TestVisible keeps text, and leaves nothing that misleads.
func TestVisible(t *testing.T) {
	require.Equal(t, "a é 日 👩‍💻\n\t", string(visible([]byte("a é 日 👩‍💻\n\t"))))
	require.Equal(t, "[U+202E]x[U+200B]␀␛␡␍�", string(visible([]byte("\u202ex\u200b\x00\x1b\x7f\r\xff"))))
	require.Equal(t, "[U+0085][U+FEFF][U+2028]", string(visible([]byte("\u0085\ufeff\u2028"))))
}

// TestPattern: the attempts that a letter has had don't tell it from others.
func TestPattern(t *testing.T) {
	require.Equal(t, "smtp # is away", pattern("gentask: attempt 3 of 3 failed: smtp 7 is away"))
	require.Equal(t, "smtp # is away", pattern("smtp 8 is away"))
}

// TestCharts: gaps stay gaps, one missing column is bridged, and no path leaves its box.
func TestCharts(t *testing.T) {
	now := time.Now()
	var points []point
	for i := 299; i >= 0; i-- {
		if i > 100 && i < 200 {
			continue // no one looked
		}
		points = append(points, point{now.Add(-time.Duration(i) * time.Second), map[string]level{
			"a": {done: float64(i), retried: 1}, "b": {done: 1e6},
		}})
	}
	c := throughput(points, now, func(q string) bool { return q == "a" })
	require.Len(t, c.Series, 3)
	require.Equal(t, 2, strings.Count(c.Series[0].Path, "M"))
	require.Equal(t, 2, strings.Count(c.Series[0].Path, "Z"))
	require.Equal(t, "500/s", c.Top)
	require.NotContains(t, c.Series[0].Path, "NaN")
	require.NotContains(t, c.Series[2].Path, "-")
	require.Contains(t, c.Label, "now 0 done, 1.0 retried, 0 dead-lettered")
	require.True(t, throughput(nil, now, func(string) bool { return true }).Empty)
	require.Empty(t, spark(nil, now, "a"))
	require.Equal(t, []float64{1, 2, 3}, bridge([]float64{1, math.NaN(), 3}))
	for in, want := range map[float64]float64{0: 1, 1: 1, 1.1: 2, 7: 10, 12: 20, 21: 50, 999: 1000} {
		require.InDelta(t, want, ceiling([]float64{in, math.NaN()}), 1e-9)
	}
}

// TestHistory keeps the last five minutes.
func TestHistory(t *testing.T) {
	var h history
	begin := time.Now()
	for i := range 700 {
		h.add(&sample{at: begin.Add(time.Duration(i) * time.Second)})
	}
	all := h.since(begin.Add(600 * time.Second))
	require.Len(t, all, 100)
	require.Equal(t, begin.Add(699*time.Second), all[99].at)
	require.Len(t, h.since(time.Time{}), mostPoints)
}

// TestLatency: the times of all consumers are added up, and bars stay in their box.
func TestLatency(t *testing.T) {
	require.Nil(t, latencies(make([]consumerRow, 3)))
	var one, two consumerRow
	one.Latency = &fleet.Latency{RunTime: fleet.Histogram{0, 0, 0, 0, 0, 0, 10}, QueueTime: fleet.Histogram{5}}
	two.Latency = &fleet.Latency{RunTime: fleet.Histogram{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20}}
	all := latencies([]consumerRow{one, {}, two})
	require.Len(t, all, 2)
	require.EqualValues(t, 5, all[0].Count)
	require.EqualValues(t, 30, all[1].Count)
	require.Equal(t, 2, strings.Count(all[1].Path, "M"))
	require.Equal(t, 1, strings.Count(all[0].Path, "M"))
	require.Equal(t, "0 ms", all[0].Low)
	require.Equal(t, "4.1 s", all[1].High)
	require.NotEmpty(t, latencyOf("none", nil).Label)
}
