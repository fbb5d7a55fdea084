// Package promises holds the bodies of scenarios that run on any broker: each is a function of a
// [rig.Rig]. Package scenario runs them on RabbitMQ and JetStream, and on the memory queue. The
// module of another driver runs them on its own broker.
//
// A body publishes, starts consumers, makes things go wrong, and checks the promise. The rig checks
// the invariants. It is test support: it imports testing, and only tests import it.
package promises
