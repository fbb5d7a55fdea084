// Package gentask runs every job that a broker delivers in an actor of its own, so that whatever happens to the job - an error, a panic, a
// runtime.Goexit, a hang, the death of the process - its delivery is settled exactly once and the node never turns into a zombie.
//
// The smallest program has one function and nothing about acks:
//
//	broker, err := embedded.Open("./data")
//	...
//	err = gentask.Run(ctx, broker.Queue("emails"), gentask.Handle(func(ctx context.Context, e Email) error {
//		return send(ctx, e)
//	}), gentask.Config{Concurrency: 20})
//
// # How a job runs
//
// A Consumer holds a session with a queue.Source and a ledger of what it was given. For each delivery it starts a worker, an actor that owns
// the delivery and never runs risky code. The worker runs the job in a task (package task), hears how the task ended as an Outcome, and
// turns it into a Decision: Ack, Requeue, Release, DeadLetter, or Extend after a timeout. The ledger carries out the first decision, once, in
// the session that the delivery came from. If a worker ends without a decision, for whatever reason, the ledger decides by the default
// policy (DefaultDecision).
//
// # Three ways to write a worker
//
// Handle makes one of a function, and the default policy decides. Work makes one of a Worker: Run is the risky part, HandleResult decides.
// Actor makes one of a props factory: the worker is an actor of the user's own, which gets the outcome as a message next to any message of
// his.
//
// # Embedding
//
// Run does everything in one call. New gives a Consumer to be started, paused, watched and drained, in a system of the user's or as Props in
// his own supervision tree.
package gentask
