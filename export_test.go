package gentask

import "github.com/gentask/gentask/actor"

// Sabotage runs f in a turn of the consumer's ledger, for tests of what no code of the library
// does. It may panic, and change how many jobs may run.
func Sabotage(c *Consumer, f func(concurrency *int)) {
	actor.Send(c.instance.sys.Load(), c.instance.ledger.Load(), sabotage(f))
}

type sabotage func(concurrency *int)

func (s sabotage) look(_ actor.Context, l *ledger) { s(&l.instance.limits.concurrency) }
