package main

import "github.com/gentask/gentask/bench/result"

const (
	inFlight = 1000
	small    = 64  // bytes of a body in process
	usual    = 256 // bytes of a body over a broker

	// elixirRate is what the Elixir original did on the machine of the targets with its start delay
	// of 100 ms removed, in no-op jobs a second. It is a figure, not measured here.
	elixirRate = 71_000
)

// kernel is the way of a job through the library, with nothing around it: a no-op, 1,000 in flight.
func kernel(o options) []comparison {
	ours := fromMemory(inFlight, small, noOp)
	cases := []comparison{
		{
			name: "no-op/1000 in flight", peer: "protoactor pair", ours: ours, theirs: barePair,
			claims: []claim{
				{unit: result.Time, target: 0.7}, {unit: result.Bytes, target: 0.8}, {unit: result.Allocs, target: 0.7},
			},
			record: []result.Unit{result.Rate, result.Processor},
		},
		{
			name: "no-op/1000 in flight", peer: "Elixir original, a figure", ours: ours,
			claims: []claim{{unit: result.Rate, target: 1.5, given: elixirRate}},
		},
		{
			name: "memory queue, published meanwhile", peer: "watermill gochannel", ours: published, theirs: watermillGoChannel,
			claims: []claim{{unit: result.Rate, target: 1.2}},
		},
		{
			name: "no-op/1000 in flight, with metrics", peer: "the same without", ours: measured(true), theirs: measured(false),
			claims: []claim{{unit: result.Time, target: 1.1}},
			record: []result.Unit{result.Rate, result.Processor, result.Bytes, result.Allocs},
		},
		{name: "no-op/1000 in flight", peer: "goroutine and recover", ours: ours, theirs: byHand(newGoroutines)},
		{name: "no-op/1000 in flight", peer: "ants", ours: ours, theirs: byHand(newAnts)},
		{name: "no-op/1000 in flight", peer: "pond", ours: ours, theirs: byHand(newPond)},
	}
	return o.each("kernel", 200_000, 200, cases)
}
