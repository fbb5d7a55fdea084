// Package task runs risky code in supervised tasks: each run is an actor of its own that is never restarted, and whoever started it hears
// exactly once how it ended, whatever way it took: a value, an error, a panic, a runtime.Goexit, or nothing at all within its time.
//
// A Supervisor spawns tasks, monitors them, holds their timers, and can stop them: it cancels the context, waits for the grace, and then
// abandons the task, because Go can't kill a goroutine. An abandoned task is counted until it returns, and its stack can be read.
//
// Goroutines use Run, Start and Stream. Actors, which never block, use Supervisor.Spawn and get the *Outcome as a message.
//
// The model is Elixir's Task.Supervisor with async_nolink, and GenTask's runner on it: https://hexdocs.pm/elixir/Task.Supervisor.html.
package task
