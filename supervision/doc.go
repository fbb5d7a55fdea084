// Package supervision keeps actors running: supervisors as in OTP, static and dynamic, nestable,
// each available as Props.
//
// A supervisor starts children, and starts each that ends again or not. A static one ([Static]) has
// a list of children. It starts them in order, stops them in reverse, and restarts a child alone,
// with all others, or with those after it ([Strategy]). A dynamic one ([Dynamic]) begins empty and
// is given its children one by one ([StartChild]); it may have hundreds of thousands.
//
// # The rules
//
// Permanent children are always restarted. Transient ones are unless they end normally or with
// [actor.ErrShutdown]. Temporary ones never are. A restart is a new actor with a new PID.
//
// Restarts are limited by the [Intensity], a number in a sliding window; zero means zero. A
// supervisor over its limit stops its children and ends with [ErrIntensity], which is a crash to
// the supervisor above it. OTP ends it with shutdown instead, so that a transient supervisor stays
// dead without a trace.
//
// A static supervisor waits for each child to be ready before it starts the next: see
// [actor.Ready]. A child that crashes or exits with an error in Started has failed to start. At
// first that is the end of the supervisor. In a restart it counts as another restart, and is tried
// again. A normal end in Started is no failure.
//
// While a static supervisor starts or stops children, requests wait. During a back-off, and between
// two tries of a start that keeps failing, they are served. The end of a child counts as soon as it
// arrives: no stop waits for a child that has already ended.
//
// # Children that decline
//
// A child that has nothing to do exits with [ErrIgnore] in Started, alone or wrapped. It is not
// restarted, even if it is [Permanent], and its siblings are started as if it were there. A static
// supervisor keeps its spec without a process, as OTP does, and forgets a temporary one. A dynamic
// supervisor forgets it. [RestartChild], or the restart of its group, starts it again.
//
// Declining is no failure: it counts for no intensity, and triggers no automatic shutdown.
// [StartChild] and RestartChild return an error that wraps ErrIgnore.
//
// A child that declines later must exit with ErrIgnore itself, and so must a [Func]. An error that
// wraps it is a crash then.
//
// # Stopping
//
// A supervisor never blocks, traps the stop that comes from above, and stops its children first.
// [actor.Shutdown] stops it and waits for its end. A child that isn't gone in its
// [ChildSpec.Shutdown] time is killed. A child whose Receive does not return can't be killed: it is
// abandoned, and named in the supervisor's exit reason, an [AbandonedError].
//
// # User code
//
// A supervisor calls Props, BeforeRestart and OnEvent on goroutines of their own, and waits for
// them. They should not block. If they do, the supervisor goes on after a while. A start whose
// Props takes longer than 5 s has failed, and the others are left alone after 100 ms.
//
// They may panic, or call runtime.Goexit, and may use errors whose methods misbehave: that harms
// nothing. Only a runtime.Goexit in the producer of the Props is a crash of the supervisor.
//
// # Looking inside
//
// [Tree] returns a supervisor and all below it, as data and as text, also if one is busy or hangs.
// [Child], [Children] and [Count] ask one supervisor.
//
// # Beyond OTP
//
// [Backoff] spaces restarts. [ChildSpec.BeforeRestart] holds one back until another event.
// [DynamicSpec.ChildIntensity] counts for each child on its own, so that a child that always fails
// is given up alone. [ChildSpec.Notify] gets a child's final end. [Func] makes a function a child.
package supervision
