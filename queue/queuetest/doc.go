// Package queuetest checks that a driver keeps the contract of package queue, in the manner of testing/fstest: the driver's test hands
// Run a function that makes a fresh queue, and Run does the rest.
//
//	func TestConformance(t *testing.T) {
//		queuetest.Run(t, func(t testing.TB) queuetest.Fixture {
//			q := memory.New(memory.Config{})
//			t.Cleanup(q.Close)
//			return queuetest.Fixture{Source: q, Publisher: q, ...}
//		})
//	}
//
// The suite knows nothing of any broker. Its time bounds are generous enough for a real one on a busy machine; what it waits for in vain is
// short, so that the whole takes seconds.
package queuetest
