package main

import (
	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// peers are other job runners, each on its own store and as fast as it can be set up. Each store is
// compared with a broker that promises the same. A commit of PostgreSQL and an entry of a quorum
// queue are on the disk when they are confirmed. A write that Redis or JetStream has confirmed
// survives a kill, but maybe not a power cut. The other combinations are for the record.
func peers(o options) []comparison {
	quorum := func(n int) side { return rabbit{kind: rabbitmq.Quorum, prefetch: n, size: usual}.gentask }
	return o.each("peers", 30_000, 100, []comparison{
		{
			name: "1000 at a time/quorum queue", peer: "River on PostgreSQL", ours: quorum(1000), theirs: onRiver(1000),
			claims: []claim{{unit: result.Rate, target: 2.5}},
		},
		{name: "1000 at a time/JetStream file", peer: "River on PostgreSQL", ours: fromJetStream(1000), theirs: onRiver(1000)},
		{
			name: "100 at a time/JetStream file", peer: "asynq on Redis", ours: fromJetStream(100), theirs: onAsynq(100),
			claims: []claim{{unit: result.Rate, target: 5}},
		},
		{name: "100 at a time/quorum queue", peer: "asynq on Redis", ours: quorum(100), theirs: onAsynq(100)},
	})
}
