package dashboard

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// chart is a picture of the last minutes, as paths in a box of chartWidth by chartHeight units. One
// unit to the right is a second. The page stretches it.
type chart struct {
	Series []series
	Top    string // the value at the upper edge
	Label  string // for those who can't see it
	Empty  bool   // nothing is known yet
}

// series is one area of a chart. Class is its colour.
type series struct{ Name, Class, Now, Path string }

const (
	chartWidth  = int(historyFor / time.Second)
	chartHeight = 100
	sparkHeight = 24

	// chartStep and sparkStep are the time of one column.
	chartStep = 3 * time.Second
	sparkStep = 5 * time.Second
)

// columns are the mean values of the last minutes, the oldest first. NaN is where nothing is known.
func columns(points []point, now time.Time, step time.Duration, value func(*point) (float64, bool)) []float64 {
	sums := make([]float64, int(historyFor/step))
	counts := make([]int, len(sums))
	for i := range points {
		at := len(sums) - 1 - int(now.Sub(points[i].at)/step)
		if v, ok := value(&points[i]); ok && at >= 0 && at < len(sums) {
			sums[at] += v
			counts[at]++
		}
	}
	for i, n := range counts {
		sums[i] /= float64(n) // NaN for 0/0
	}
	return sums
}

// bridge fills gaps of one column, which are of the beat between samples and columns.
func bridge(values []float64) []float64 {
	for i := 1; i+1 < len(values); i++ {
		if math.IsNaN(values[i]) && !math.IsNaN(values[i-1]) && !math.IsNaN(values[i+1]) {
			values[i] = (values[i-1] + values[i+1]) / 2
		}
	}
	return values
}

// ending is a way for jobs to end, as a chart shows it.
type ending struct {
	name, class string
	of          func(level) float64
}

// endings are those of the throughput, the lowest area first.
func endings() []ending {
	return []ending{
		{"done", "ok", func(l level) float64 { return l.done }},
		{"retried", "warn", func(l level) float64 { return l.retried }},
		{"dead-lettered", "bad", func(l level) float64 { return l.deadLettered }},
	}
}

// sum adds up the jobs of a point that end so, over the queues that pick selects.
func (e *ending) sum(p *point, pick func(queue string) bool) float64 {
	sum := 0.0
	for name, l := range p.queues {
		if pick(name) {
			sum += e.of(l)
		}
	}
	return sum
}

// throughput returns the chart of how jobs end, for the queues that pick selects.
func throughput(points []point, now time.Time, pick func(queue string) bool) chart {
	c := chart{Empty: len(points) < 2}
	stack := [][]float64{make([]float64, int(historyFor/chartStep))}
	for _, e := range endings() {
		value := func(p *point) (float64, bool) { return e.sum(p, pick), true }
		values := bridge(columns(points, now, chartStep, value))
		present := 0.0
		if n := len(points); n > 0 {
			present = e.sum(&points[n-1], pick)
		}
		c.Series = append(c.Series, series{Name: e.name, Class: e.class, Now: perSecond(present)})
		stack = append(stack, onTop(stack[len(stack)-1], values))
	}
	most := ceiling(stack[len(stack)-1])
	c.Top = perSecond(most) + "/s"
	for i := range c.Series {
		c.Series[i].Path = area(stack[i], stack[i+1], most, chartHeight)
	}
	c.Label = "Jobs each second, last 5 minutes: now " + c.Series[0].Now + " done, " + c.Series[1].Now + " retried, " +
		c.Series[2].Now + " dead-lettered"
	return c
}

// onTop returns the sums of both lines.
func onTop(low, values []float64) []float64 {
	top := make([]float64, len(values))
	for i := range values {
		top[i] = low[i] + values[i]
	}
	return top
}

// spark returns the area of how many jobs of a queue end, without axes.
func spark(points []point, now time.Time, queue string) string {
	values := bridge(columns(points, now, sparkStep, func(p *point) (float64, bool) {
		l, ok := p.queues[queue]
		return l.done + l.retried + l.deadLettered, ok
	}))
	return area(make([]float64, len(values)), values, ceiling(values), sparkHeight)
}

// ceiling returns a round number that is not below the largest value, and at least 1.
func ceiling(values []float64) float64 {
	most := 1.0
	for _, v := range values {
		if v > most { // false for NaN
			most = v
		}
	}
	unit := math.Pow(10, math.Floor(math.Log10(most)))
	for _, step := range []float64{1, 2, 5, 10} {
		if step*unit >= most {
			return step * unit
		}
	}
	return most
}

// area returns the path of what is between two lines, in a box of that height whose upper edge is
// at most. It has gaps where the upper line is NaN.
func area(low, high []float64, most float64, height int) string {
	var b strings.Builder
	step := float64(chartWidth) / float64(len(high))
	y := func(v float64) float64 { return float64(height) * (1 - v/most) }
	for i := 0; i < len(high); i++ {
		if math.IsNaN(high[i]) {
			continue
		}
		end := i
		for end+1 < len(high) && !math.IsNaN(high[end+1]) {
			end++
		}
		for k := i; k <= end; k++ {
			move(&b, k == i, (float64(k)+0.5)*step, y(high[k]))
		}
		for k := end; k >= i; k-- {
			move(&b, false, (float64(k)+0.5)*step, y(low[k]))
		}
		b.WriteByte('Z')
		i = end
	}
	return b.String()
}

func move(b *strings.Builder, first bool, x, y float64) {
	letter := byte('L')
	if first {
		letter = 'M'
	}
	b.WriteByte(letter)
	b.WriteString(strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64))
	b.WriteByte(' ')
	b.WriteString(strconv.FormatFloat(math.Round(y*10)/10, 'f', -1, 64))
}
