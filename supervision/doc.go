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
// normal end in Started is no failure. While a static supervisor starts or stops children, requests and other ends wait for it; during a
// back-off they don't.
//
// A supervisor never blocks, traps the stop that comes from above, and stops its children first. A child that isn't gone in its Shutdown time is
// killed. One that can't be killed, because Go can't interrupt its Receive, is abandoned and named in the report of Stop.
//
// What users give runs in the supervisor's goroutine: Props, BeforeRestart, OnEvent and Reply. It must not block. It may panic, which harms
// nothing; a runtime.Goexit there is a crash of the supervisor.
//
// # Beyond OTP
//
// Backoff spaces restarts. ChildSpec.BeforeRestart holds one back until something else has ended. DynamicSpec.ChildIntensity counts for each
// child on its own, so that a child that always fails is given up alone. ChildSpec.Notify hears of a child's final end.
package supervision
