// Package actor is the one seam between gentask and protoactor-go: it spawns actors that end with an exit reason, lets others monitor them,
// and keeps them safe from what hangs or loses an actor there.
//
// Everything that a user of actors meets is protoactor-go's own, under an alias: Context, PID, Props, System, ReceiveFunc. A program that
// already has a *actor.ActorSystem passes it in; this package never builds a second one.
//
// # What it adds
//
// An actor spawned here has a mailbox of ours. When its Receive panics, or calls runtime.Goexit, the actor crashes as a process does in
// Erlang: it stops with an exit reason, a *PanicError or a *GoexitError with the stack, and whoever monitors it gets one *Exited. It is never
// restarted in place: a restart is a new actor with a new PID, and is a supervisor's business (package supervision). A panic in the
// handlers of Stopping and Stopped can't keep an actor alive, and a child whose Receive never returns can be abandoned (Abandon), so that it
// doesn't hold up its parent for ever.
//
// Timers end with their actor (StartTimer, StartTicker), a Ref is an address with a type, and Props
// that nobody could supervise are refused (CheckProps). docs/actors.md says what a user of
// protoactor-go can bring along.
//
// # Exit reasons
//
// A nil reason is a normal end. ErrShutdown says that somebody stopped the actor, ErrKilled that somebody killed it, *PanicError and
// *GoexitError that it crashed; any other error is what the actor gave to Exit.
package actor
