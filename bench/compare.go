package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/gentask/gentask/bench/result"
)

// side is one of the two programs of a comparison. It prepares, calls t.begin, does t.jobs jobs,
// calls t.end, and checks that the queue is empty and nothing was lost.
type side func(ctx context.Context, t *trial) error

// comparison is one case of a suite.
type comparison struct {
	suite string
	name  string
	peer  string
	jobs  int // of each trial

	ours   side
	theirs side // nil: the other side is a figure that was measured elsewhere, given by the claims

	// share is the part of the jobs that theirs does, so that a slow peer does not take a hundred
	// times as long. Zero means all.
	share float64

	// claims are the units that have a target. The others are reported for the record.
	claims []claim

	// record are the units without a target. Nil means the usual ones: rate, processor time, bytes
	// and allocations.
	record []result.Unit
}

// claim is a target: the ratio of ours to theirs that must be reached in a unit.
type claim struct {
	unit   result.Unit
	target float64
	given  float64 // theirs, where it is not measured
}

// runner runs comparisons.
type runner struct {
	pairs    int
	progress io.Writer
	profiles string // the directory for profiles of our side; empty for none
}

// run returns a line for each unit. Which side begins changes from pair to pair.
func (r *runner) run(ctx context.Context, c comparison) ([]result.Line, error) {
	fmt.Fprintf(r.progress, "%s %s against %s: ", c.suite, c.name, c.peer)
	defer fmt.Fprintln(r.progress)
	if r.profiles != "" {
		c.ours = profiled(r.profiles, c)
	}
	if _, _, err := r.pair(ctx, c, true, false); err != nil {
		return nil, err
	}
	var ours, theirs []sample
	for i := range r.pairs {
		o, t, err := r.pair(ctx, c, false, i%2 == 1)
		if err != nil {
			return nil, err
		}
		fmt.Fprint(r.progress, ".")
		ours, theirs = append(ours, o), append(theirs, t)
	}
	return c.lines(ours, theirs), nil
}

// pair runs both sides, one after the other. A warm-up has a fifth of the jobs.
func (r *runner) pair(ctx context.Context, c comparison, warmUp, theirsFirst bool) (ours, theirs sample, err error) {
	jobs := c.jobs
	if warmUp {
		jobs = max(jobs/5, 1)
	}
	share := c.share
	if share == 0 {
		share = 1
	}
	turns := []func() error{
		func() error { ours, err = turn(ctx, c.ours, jobs, warmUp); return named("gentask", err) },
		func() error {
			theirs, err = turn(ctx, c.theirs, max(int(float64(jobs)*share), 1), warmUp)
			return named(c.peer, err)
		},
	}
	if theirsFirst {
		slices.Reverse(turns)
	}
	for _, t := range turns {
		if err := t(); err != nil {
			return ours, theirs, err
		}
	}
	return ours, theirs, nil
}

func named(who string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", who, err)
}

func turn(ctx context.Context, s side, jobs int, warmUp bool) (sample, error) {
	if s == nil {
		return sample{}, nil
	}
	ctx, cancel := within(ctx)
	defer cancel()
	t := newTrial(jobs, warmUp)
	if err := s(ctx, t); err != nil {
		return sample{}, err
	}
	return t.sample, nil
}

// lines returns the claims first, and then the units for the record.
func (c comparison) lines(ours, theirs []sample) []result.Line {
	var lines []result.Line
	claimed := map[result.Unit]bool{}
	for _, cl := range c.claims {
		l := c.line(cl.unit, values(ours, cl.unit), c.others(theirs, cl))
		l.Target, l.OK = &cl.target, cl.unit.Meets(l.Ratio, cl.target)
		lines = append(lines, l)
		claimed[cl.unit] = true
	}
	if c.theirs == nil {
		return lines
	}
	record := c.record
	if record == nil {
		record = []result.Unit{result.Rate, result.Processor, result.Bytes, result.Allocs}
	}
	for _, u := range record {
		if !claimed[u] {
			lines = append(lines, c.line(u, values(ours, u), values(theirs, u)))
		}
	}
	return lines
}

// others are the values of the other side, measured or given.
func (c comparison) others(theirs []sample, cl claim) []float64 {
	if cl.given == 0 {
		return values(theirs, cl.unit)
	}
	return slices.Repeat([]float64{cl.given}, len(theirs))
}

func values(samples []sample, u result.Unit) []float64 {
	all := make([]float64, len(samples))
	for i, s := range samples {
		all[i] = s.in(u)
	}
	return all
}

func (c comparison) line(u result.Unit, ours, theirs []float64) result.Line {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ratio(ours[i], theirs[i])
	}
	return result.Line{
		Suite: c.suite, Case: c.name, Peer: c.peer, Unit: u, Ours: median(ours), Theirs: median(theirs),
		RatioMin: slices.Min(ratios), Ratio: median(ratios), RatioMax: slices.Max(ratios), OK: true,
	}
}

func ratio(ours, theirs float64) float64 {
	if ours == theirs {
		return 1 // of nothing to nothing, too
	}
	return ours / max(theirs, 1e-9)
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
