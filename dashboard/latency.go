package dashboard

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gentask/gentask/fleet"
)

// latencyView is how long the jobs of a queue have waited and run in the last minute.
type latencyView struct {
	Name     string
	P50, P99 time.Duration
	Count    uint64
	Path     string // of the bars, in a box of 300 by 100 units
	Low      string // the bounds of the bars that are shown
	High     string
	Label    string
}

// latencies returns the times of a queue's jobs over all consumers; nil if none are known.
func latencies(rows []consumerRow) []latencyView {
	var wait, run fleet.Histogram
	for i := range rows {
		if l := rows[i].Latency; l != nil {
			wait, run = wait.Add(l.QueueTime), run.Add(l.RunTime)
		}
	}
	if run.Count() == 0 && wait.Count() == 0 {
		return nil
	}
	return []latencyView{latencyOf("Waited", wait), latencyOf("Ran", run)}
}

func latencyOf(name string, h fleet.Histogram) latencyView {
	v := latencyView{Name: name, P50: h.Quantile(0.5), P99: h.Quantile(0.99), Count: h.Count()}
	first, last := 0, len(h)-1
	for first < last && h[first] == 0 {
		first++
	}
	first = max(0, min(first, last-leastBars+1))
	last = max(last, first+leastBars-1)
	v.Path = bars(h, first, last)
	v.Low, v.High = lowerBound(first), duration(time.Millisecond<<last)
	v.Label = name + ", last minute: half within " + duration(v.P50) + ", 99 of 100 within " + duration(v.P99)
	return v
}

// leastBars is how many bars a histogram has at least, so that few values are no single block.
const leastBars = 8

// lowerBound returns the lower bound of a bucket.
func lowerBound(bucket int) string {
	if bucket == 0 {
		return "0 ms"
	}
	return duration(time.Millisecond << (bucket - 1))
}

// bars returns the path of a bar for each bucket from first to last.
func bars(h fleet.Histogram, first, last int) string {
	most := uint64(1)
	for _, n := range h {
		most = max(most, n)
	}
	var b strings.Builder
	width := float64(chartWidth) / float64(last-first+1)
	for i := first; i <= last && i < len(h); i++ {
		if h[i] == 0 {
			continue
		}
		high := max(2, float64(chartHeight)*float64(h[i])/float64(most))
		b.WriteString("M" + coordinate(float64(i-first)*width+width*0.1) + " " + strconv.Itoa(chartHeight))
		b.WriteString("v-" + coordinate(high) + "h" + coordinate(width*0.8) + "v" + coordinate(high) + "Z")
	}
	return b.String()
}

// coordinate returns a number with one digit after the point.
func coordinate(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }
