// Package queuetest checks that a driver implements the contract of package queue, in the manner of
// testing/fstest. The driver's test passes [Run] a function that creates a new queue, and Run does
// the rest.
//
//	func TestConformance(t *testing.T) {
//		queuetest.Run(t, func(t testing.TB) queuetest.Fixture {
//			q := memory.New(memory.Config{})
//			t.Cleanup(q.Close)
//			return queuetest.Fixture{Source: q, Publisher: q} // and what it can do
//		})
//	}
//
// [RunStore] and [RunBus] do the same for a [queue.Store] and a [queue.Bus].
//
// The suite does not depend on any broker. Its time limits are generous enough for a real one on a
// busy machine. It waits only briefly to see that nothing happens, so that the whole takes seconds.
package queuetest
