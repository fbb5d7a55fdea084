// Package gentasktest tests workers without a broker. One call takes a message through the
// production path and returns the result. The path is memory source, ledger, worker, task,
// HandleResult, settlement.
//
//	func TestABouncedMailIsDeadLettered(t *testing.T) {
//		mail := gentasktest.JSON(t, Email{To: "unknown"})
//		got := gentasktest.Run(t, gentask.Work(&Mailer{}), mail, gentask.Config{})
//		require.Equal(t, queue.DeadLetter, got.Disposition)
//	}
//
// Only the broker is replaced: timeouts, back-off and attempts are those of [gentask.Config]. In a
// bubble of testing/synctest they cost no time, so that a test of a timeout of an hour is done at
// once. The calls leave nothing behind but an abandoned task, whose goroutine is the test's own.
//
// A [Probe] is an actor that records the messages that it gets, for tests of actors that send. It
// expects messages, silence, and the ends of other actors.
//
//snippets:needs type Email struct{ To string }; type Mailer struct{ gentask.Worker[Email, string] }
package gentasktest
