// Package queue says what gentask asks of a broker, in five small types: a Source opens a Session, a Session hands out each Delivery and
// takes its Settlement, and a Publisher puts a Message in.
//
// It imports the standard library only, so that a driver depends on this package and on its client, and on nothing else of gentask. A driver
// is dumb on purpose: it never reconnects, never retries and never decides. One connection's worth of deliveries is one Session; when it is
// over, it is over, and the consumer opens the next one. Package queuetest is the conformance suite that every driver passes, and package
// memory is the executable specification.
//
// # Words
//
// A message is what was published. A delivery is one message held, not yet settled. The attempt says which delivery of the message this is,
// from 1. A settlement is the final word on a delivery, exactly one: ack, requeue, release or dead letter. The prefetch is the most
// unsettled deliveries that a session holds.
package queue
