// Package rig is what the scenario tests stand on. It starts consumers on a queue of any broker,
// watches all that they do, and checks at the end of every test what must hold however a job ends.
//
// A scenario is a function of a *Rig. Broker.Run gives it one: in a synctest bubble with virtual
// time where the broker lives in the process (Memory), in real time otherwise. The scenario
// publishes, starts consumers with behaviours whose Run is tracked (Handle, Track), makes things go
// wrong, and waits with Finish or Eventually. When it returns, what still runs is stopped, and the
// invariants are checked:
//
//   - I1 every delivery was settled exactly once, or its session ended;
//   - I2 unsettled deliveries never exceeded the prefetch;
//   - I3 no actor is left, and on a virtual broker no goroutine either;
//   - I4 what the broker calls unacknowledged equals what the ledger holds: nothing at the end, and the number that Balanced finds meanwhile;
//   - I5 nothing was settled in a session other than the one that delivered it;
//   - I6 published = acknowledged + dead-lettered + still queued, as far as the broker can be asked;
//   - each delivery had one start event and one end event, no job ran twice at the same time, and nothing crashed or was healed, unless Rig.Allow has it, because the scenario has brought it about.
//
// The first five are seen by a spy between consumer and source, so they are checked on every
// broker. It is test support: it imports testing, and only tests import it.
package rig
