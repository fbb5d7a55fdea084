package main

import (
	"errors"
	"os"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gentask/gentask/bench/result"
)

// recorder looks at something in equal steps of time, and keeps what it sees.
type recorder struct {
	every time.Duration
	units []result.Unit
	look  func() []float64 // a figure for each unit

	figures [][]float64 // by unit
	ended   chan struct{}
	wg      sync.WaitGroup
}

// record begins to look. Its owner calls end.
func record(every time.Duration, units []result.Unit, look func() []float64) *recorder {
	r := &recorder{every: every, units: units, look: look, figures: make([][]float64, len(units)), ended: make(chan struct{})}
	r.wg.Go(r.loop)
	return r
}

func (r *recorder) loop() {
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.note()
		case <-r.ended:
			return
		}
	}
}

func (r *recorder) note() {
	for i, v := range r.look() {
		r.figures[i] = append(r.figures[i], v)
	}
}

// end ends it. A trial that was shorter than a step is sampled once.
func (r *recorder) end() {
	close(r.ended)
	r.wg.Wait()
	if len(r.figures[0]) == 0 {
		r.note()
	}
}

// series is what was seen of a unit.
func (r *recorder) series(u result.Unit) []float64 { return r.figures[slices.Index(r.units, u)] }

// processUnits are what process looks at, in this order.
func processUnits() []result.Unit {
	return []result.Unit{result.Live, result.Mapped, result.Resident, result.Goroutines, result.Rate}
}

// process looks at this process, and at how many jobs it gets done.
type process struct {
	done   func() int64
	before int64
	at     time.Time
}

func (p *process) look() []float64 {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/sched/goroutines:goroutines"},
	}
	metrics.Read(samples)
	live, total, released, goroutines := samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64(), samples[3].Value.Uint64()
	done, now := p.done(), time.Now()
	rate := float64(done-p.before) / now.Sub(p.at).Seconds()
	p.before, p.at = done, now
	return []float64{mib(live), mib(total - released), mib(resident()), float64(goroutines), rate}
}

func mib(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// resident is what the system counts as this process's memory; zero where it does not tell.
func resident() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// allowed is what l may come to: growth times what it was early, or more by slack, where that is
// more.
func allowed(l result.Line, slack float64) result.Line {
	target := max(growth, 1+slack/max(l.Theirs, 1e-9))
	l.Target, l.OK = &target, l.Unit.Meets(l.Ratio, target)
	return l
}

var errUnseen = errors.New("it was too short to be looked at")

// later compares a figure late in a run with the same early. The ratios are those of all that came
// after early.
func later(l result.Line, every time.Duration, values []float64, early, late span) (result.Line, error) {
	if early.to > len(values) || late.to > len(values) {
		return l, errUnseen
	}
	before := median(values[early.from:early.to])
	after := values[early.to:]
	if len(after) == 0 {
		after = values
	}
	l.Ours, l.Theirs = median(values[late.from:late.to]), before
	l.Ratio, l.RatioMin, l.RatioMax = ratio(l.Ours, before), ratio(slices.Min(after), before), ratio(slices.Max(after), before)
	l.OK = true
	l.Over = &result.Series{Every: every.Seconds(), Values: values}
	return l, nil
}

// span is a part of a series.
type span struct{ from, to int }

// fifth is the k-th fifth of n values, from 0; never empty.
func fifth(n, k int) span {
	from := min(n*k/5, n-1)
	return span{from, max(n*(k+1)/5, from+1)}
}
