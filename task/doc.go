// Package task runs risky code in supervised tasks. Each run is an actor of its own that is never
// restarted. Its owner gets exactly one outcome, however the run ends: a value, an error, a panic,
// a runtime.Goexit, or nothing at all within its time.
//
// A [Supervisor] spawns tasks, monitors them, holds their timers, and can stop them. To stop one it
// ends the context, waits for the grace, and then abandons the task, because Go can't kill a
// goroutine. An abandoned task is counted until it returns, and its stack can be read.
//
// Goroutines use [Run], [Start], [AwaitAll], [YieldAll] and [Stream]. Actors, which never block,
// use [Supervisor.Spawn] and get the [*Outcome] as a message.
//
// # Context
//
// The context of a task has the task's timeout as its deadline. After a timeout, Err returns
// [context.DeadlineExceeded], also for contexts that derive from it, and [context.Cause] returns
// [ErrTimeout]. After any other stop, Err returns [context.Canceled], and the cause is that of the
// stop.
//
// # Errors
//
// An error that a task returns, or a value that it panics with, is user code. It is read
// once, on the task's goroutine: a method of it that blocks takes the task's own time.
// [Outcome.Reason] calls no method of it. errors.Is and errors.As see the error itself, unless one
// of its methods misbehaved while it was read.
//
// The model is Elixir's Task.Supervisor with async_nolink, and GenTask's runner on it:
// https://hexdocs.pm/elixir/Task.Supervisor.html.
package task
