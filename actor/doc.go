// Package actor is the one seam between gentask and protoactor-go. It spawns actors that end with
// an exit reason, lets others monitor them, and keeps them safe from what hangs or loses an actor
// there.
//
// The types of actors are protoactor-go's own, under an alias: [Context], [PID], [Props], [System],
// [ReceiveFunc]. A program that already has an actor system passes it in. This package never builds
// a second one.
//
// # Crashes
//
// An actor that is spawned here has a mailbox of this package. When its Receive panics, or calls
// runtime.Goexit, the actor crashes as a process does in Erlang. It stops with an exit reason, a
// [*PanicError] or a [*GoexitError] with the stack, and each monitor gets one [*Exited].
//
// An actor is never restarted in place. A restart is a new actor with a new PID, and is the work of
// a supervisor (package supervision). A panic in the handlers of Stopping and Stopped can't keep an
// actor alive.
//
// # Timers, addresses, Props
//
// Timers end with their actor: see [StartTimer] and [StartTicker]. A [Ref] is an address with a
// type. Props that can't be supervised are refused: see [CheckProps]. docs/actors.md lists what a
// user of protoactor-go can bring along.
//
// # Exit reasons
//
// A nil reason is a normal end. [ErrShutdown] is the reason of an actor that was stopped, and
// [ErrKilled] of one that was killed. A [*PanicError] or a [*GoexitError] is a crash. Any other
// error was given to [Exit].
package actor
