// Package link holds the goroutines that wait on the broker, so that an actor never has to.
//
// A [Link] is one session of a [queue.Source]. One goroutine opens the session and receives from
// it. Two settle, on lanes of their own: a broker that blocks publishers must not hold up
// acknowledgements. [Link.Flush] ends a batch: the settlements of one step go to the driver
// together. Cancel, resume, return and the question for the backlog have a goroutine for each call.
//
// The methods of a link don't block. Their results arrive as messages: [Opened], [Drained],
// [Flowing], [Settled], [Returned], [Backlog], [Broken] and [Closed], each with its link. Their
// errors are sealed (see package guard), so that they can be read on any goroutine. A delivery is
// not a message of this package: [Config.Deliver] makes one of it.
//
// A driver is user code. A panic or a [runtime.Goexit] in it breaks the session. A call
// that does not return after its context has ended is reported by [Link.Hurry], and left behind
// when the link is closed.
//
// A link is used once. It never reopens its session, never repeats a call and never decides about a
// delivery.
package link
