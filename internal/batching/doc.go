// Package batching gathers jobs into batches. Jobs that have a task each meet in a [Set]: one of
// them runs the function of their batch in its own task, and the others wait for their results.
//
// A batch goes through four states. It gathers, until a limit of its [Function] is reached. Then
// one of its members is elected as its leader. The leader handles the batch: it calls the function.
// The batch is over when the function has returned, panicked or called [runtime.Goexit]. Members
// may leave until the batch is handled, and another leader is elected if it was the leader that
// left.
//
// Each member gets exactly one [Result]. If its task is told to stop while its batch is handled, it
// still waits for its result, for most of the grace. So do all the others when it is the leader's
// task. So no member ends while the function works on it, if the function returns in time.
//
// [Set.Join] blocks: it must be called in the task of a job, and never in an actor. A Set has one
// lock. It is held for a few steps at a time, and never during a call of the function. A Set has no
// goroutine of its own. It sets a timer for each batch that gathers, and watches the leader's
// context while a batch is handled. A Set without members has neither, and needs no closing.
package batching
