package actor

import "time"

// SendAfter sends message to the actor that ctx belongs to, after d. Stop the timer when the message is no longer wanted; it may already be
// in the mailbox then, so messages carry what tells a stale one. An actor that is gone by then misses nothing: there is no dead letter.
func SendAfter(ctx Context, d time.Duration, message any) *time.Timer {
	sys, self := ctx.ActorSystem(), ctx.Self()
	return time.AfterFunc(d, func() { Notify(sys, self, message) })
}
