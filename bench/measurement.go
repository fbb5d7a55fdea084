package main

import (
	"context"

	"github.com/gentask/gentask/bench/result"
)

// measurement is one case of a suite.
type measurement interface {
	// names are its suite, its own name, and what it is measured against.
	names() (suite, name, peer string)

	// measure returns a line for each unit.
	measure(ctx context.Context, r *runner) ([]result.Line, error)
}

// suite is a group of measurements that need the same things.
type suite struct {
	name string
	long bool // so long that it is no part of "all"
	of   func(options) []measurement
}

// suites are all there are, in the order of their needs.
func suites() []suite {
	return []suite{
		{name: "kernel", of: compared(kernel)},
		{name: "isolate", of: isolation},
		{name: "memory", of: compared(inMemory)},
		{name: "storm", of: compared(storm)},
		{name: "scale", of: compared(scale)},
		{name: "upstream", of: compared(upstream)},
		{name: "jetstream", of: compared(jetStream)},
		{name: "rabbitmq", of: compared(rabbitMQ)},
		{name: "postgres", of: onPostgres},
		{name: "peers", of: compared(peers)},
		{name: "load", long: true, of: load},
		{name: "soak", long: true, of: soak},
	}
}

// compared makes measurements of comparisons.
func compared(cases func(options) []comparison) func(options) []measurement {
	return func(o options) []measurement {
		var all []measurement
		for _, c := range cases(o) {
			all = append(all, c)
		}
		return all
	}
}

// names implements measurement.
func (c comparison) names() (suite, name, peer string) { return c.suite, c.name, c.peer }

// measure implements measurement.
func (c comparison) measure(ctx context.Context, r *runner) ([]result.Line, error) {
	return r.run(ctx, c)
}
