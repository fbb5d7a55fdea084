package main

import (
	"runtime"
	"time"
)

// options are the sizes that the command line sets.
type options struct {
	jobs  int // of each trial that has no number of its own; zero means the suite's
	quick bool
	rate  int           // of load and soak: the most jobs published in a second; zero means the suite's
	lasts time.Duration // of soak
}

// each fills in what all cases of a suite have in common: its name, and how many jobs a trial has,
// usually or if it is to be quick. A case that has a number of jobs already has it for a reason,
// and at most has fewer of them.
func (o options) each(suite string, usually, quick int, cases []comparison) []comparison {
	for i := range cases {
		c := &cases[i]
		c.suite = suite
		switch {
		case o.quick:
			c.jobs = quick
		case c.jobs > 0 && o.jobs > 0:
			c.jobs = min(c.jobs, o.jobs)
		case c.jobs == 0 && o.jobs > 0:
			c.jobs = o.jobs
		case c.jobs == 0:
			c.jobs = usually
		}
	}
	return cases
}

// sized are the options of a suite that is about a certain number of jobs.
func (o options) sized() options { return options{quick: o.quick} }

// few is n, or what is quick.
func (o options) few(n int) int {
	if o.quick {
		return min(n, 10*runtime.NumCPU())
	}
	return n
}
