// Package supervision keeps actors running: supervisors as in OTP, static and dynamic, nestable, each available as Props.
//
// A supervisor starts children, hears how each ends, and starts it again or not. A static one (Static) has a list of children, which it starts in
// order and stops in reverse, and restarts alone, all together, or with those that came after (Strategy). A dynamic one (Dynamic) begins empty and
// is sent its children, of which it may have hundreds of thousands.
//
// # The rules
//
// Permanent children are always restarted, transient ones unless they end normally or with actor.ErrShutdown, temporary ones never. A restart
// is a new actor with a new PID. Restarts are limited by the Intensity, a number in a sliding window; zero means zero. A supervisor over its limit
// stops its children and ends with ErrIntensity, which is a crash to the supervisor above it. That differs from OTP, where it ends with
// shutdown, and a transient supervisor stays dead without a word.
//
// A static supervisor waits for each child to be ready before it starts the next: see actor.Ready. A child that crashes or exits with an error in
// Started has failed to start. At first that is the end of the supervisor; in a restart it counts as another restart, and is tried again. A
// normal end in Started is no failure. While a static supervisor starts or stops children, requests wait for it; during a back-off,
// and between two tries of a start that keeps failing, they are served. The end of a child counts as soon as it arrives: no
// stop waits for a child that has ended already, whatever the supervisor was doing.
//
// # Children that decline
//
// A child that has nothing to do exits with [ErrIgnore] in Started, alone or wrapped. It is not restarted, whatever its Restart, and its siblings
// are started as if it were there. A static supervisor keeps its spec without a process, as OTP does, and forgets a temporary one; a dynamic
// supervisor forgets it. RestartChild, or the restart of its group, asks it again. Declining is no failure, so it counts for no
// intensity, and triggers no automatic shutdown. StartChild and RestartChild return an error that wraps ErrIgnore.
//
// A child whose start nobody waits for - that of a StartRequest without a Reply, and a [Func] - must exit with ErrIgnore itself.
// So must one that declines later; an error that wraps it is a crash then.
//
// # Stopping
//
// A supervisor never blocks, traps the stop that comes from above, and stops its children first. A child that isn't gone in its Shutdown time is
// killed. One that can't be killed, because Go can't interrupt its Receive, is abandoned and named in the report of Stop.
//
// # Code of the user's
//
// A supervisor calls Props, BeforeRestart, OnEvent and Reply on goroutines of their own, and waits for them. They should not block. If
// they do, the supervisor goes on after a while: a start whose Props takes longer than [PropsTime] has failed, and the others are left
// alone after 100 ms. They may panic, or call runtime.Goexit, and may use errors whose methods misbehave: that harms nothing. Only a
// runtime.Goexit in the producer that the Props hold is a crash of the supervisor.
//
// # Looking inside
//
// [Tree] returns what a supervisor and all below it know, as data and as text, also of one that is busy or hangs. [Child],
// [Children], [Count] and [CountTypes] ask one supervisor.
//
// # Beyond OTP
//
// Backoff spaces restarts. ChildSpec.BeforeRestart holds one back until something else has ended. DynamicSpec.ChildIntensity counts for each
// child on its own, so that a child that always fails is given up alone. ChildSpec.Notify is sent a child's final end. [Func] makes
// a function a child.
package supervision
