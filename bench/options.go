package main

import "runtime"

// options are what the command line says about the size of things.
type options struct {
	jobs  int // of each trial; zero means what the suite says
	quick bool
}

// each fills in what all cases of a suite have in common: its name, and how many jobs a trial has, usually or if it is to be quick.
func (o options) each(suite string, usually, quick int, cases []comparison) []comparison {
	for i := range cases {
		cases[i].suite = suite
		switch {
		case o.quick:
			cases[i].jobs = quick
		case cases[i].jobs == 0:
			cases[i].jobs = o.jobsOf(usually)
		}
	}
	return cases
}

// jobsOf is how many jobs a trial has that usually has n.
func (o options) jobsOf(n int) int {
	if o.jobs > 0 {
		return min(o.jobs, max(n, inFlight))
	}
	return n
}

// few is n, or what is quick.
func (o options) few(n int) int {
	if o.quick {
		return min(n, 10*runtime.NumCPU())
	}
	return n
}
