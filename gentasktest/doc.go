// Package gentasktest tests workers without a broker: one call takes a message through the production path - memory source, ledger, worker, task,
// HandleResult, settlement - and returns what became of it.
//
//	func TestABouncedMailIsDeadLettered(t *testing.T) {
//		got := gentasktest.Run(t, gentask.Work(&Mailer{}), gentasktest.JSON(t, Email{To: "nobody"}), gentask.Config{})
//		require.Equal(t, queue.DeadLetter, got.Disposition)
//	}
//
// Nothing is faked but the broker: timeouts, back-off and attempts are those of gentask.Config. In a bubble of testing/synctest they cost no
// time, so that a test of a timeout of an hour is done at once. The calls leave nothing behind, a task that was abandoned aside: its goroutine
// is the test's own.
//
// A [Probe] is an actor that records what it is sent, for tests of actors that send: it expects
// messages, silence, and the ends of other actors.
package gentasktest
