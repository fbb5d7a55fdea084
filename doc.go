// Package gentask runs every job that a broker delivers in an actor of its own. However a job ends
// (error, panic, runtime.Goexit, hang, process death), its delivery is settled exactly once. A
// consumer never holds its prefetch without making progress.
//
// The smallest program has one function and no acknowledgements:
//
//	broker, err := embedded.Open("./data")
//	...
//	err = gentask.Run(ctx, broker.Queue("emails"), gentask.Handle(func(ctx context.Context, e Email) error {
//		return send(ctx, e)
//	}), gentask.Config{Concurrency: 20})
//
// # How a job runs
//
// A [Consumer] holds a session with a [queue.Source] and a ledger of its deliveries. For each
// delivery it starts a worker, an actor that owns the delivery and never runs risky code. The
// worker runs the job in a task (package task), receives the [task.Outcome], and turns it into a
// [Decision]: [Ack], [Requeue], [Release], [DeadLetter], or [Extend] after a timeout.
//
// The ledger carries out the first decision, once, in the session that the delivery came from. If a
// worker ends without a decision, for any reason, the ledger decides by the default policy
// ([DefaultDecision]).
//
// # Three ways to write a worker
//
// [Handle] makes one from a function, and the default policy decides. [Work] makes one from a
// [Worker]: Run is the risky part, and HandleResult decides. [Actor] makes one from a factory of
// props. The worker is an actor of your own then, and receives the outcome as a message.
//
// # Embedding
//
// [Run] does everything in one call. [New] returns a [Consumer] that you can start, pause, watch
// and drain. It runs in an actor system of your own, or as Props in your own supervision tree.
//
//snippets:needs ctx context.Context; type Email struct{}; send func(context.Context, Email) error
package gentask
