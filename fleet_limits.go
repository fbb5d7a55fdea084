package gentask

import "errors"

// FleetLimits limits the jobs of consumers on several nodes together: all that consume the same
// queue and are in the same fleet. Package fleet divides the limits among them. A consumer with
// such limits starts no job before it has joined a fleet.
type FleetLimits struct {
	// Concurrency is how many jobs run at a time on all nodes together. [Config.Concurrency] still
	// limits each consumer. Zero means off.
	//
	// A job needs a unit of it, which its node leases from the fleet. If the lease can't be
	// renewed, because the broker is away for example, the job's context ends with [ErrQuotaLost]
	// before another node may have the unit, and the job is released. So there are never more jobs
	// than that which respect their context.
	Concurrency int

	// Rate is how many runs start on all nodes together. Over any interval d, at most Burst +
	// PerSecond*d do. [Policy.Rate], [Overrides.Rate] and [Consumer.SetRate] still limit each
	// consumer, and do not change this. Zero means off.
	//
	// A node leases a part of it, which depends on the work of all nodes. Tokens that it has not
	// used are lost when it dies, or loses its lease.
	Rate Rate

	// PerKey limits how many jobs of each key run at a time on all nodes together.
	PerKey FleetPerKey
}

// FleetPerKey limits the jobs of each key. Other keys are not held up. Deliveries of a key whose
// jobs run elsewhere are held until it is their turn, so [Config.Prefetch] should be several times
// [Config.Concurrency]: a key that fills it holds up the rest. The order in which several nodes run
// the jobs of a key is not that of their arrival.
//
// A job needs a unit of its key, and loses it as one of [FleetLimits.Concurrency]. A node that runs
// the first job of a key in a while asks the fleet's broker, while other jobs go on. It keeps the
// unit for a second after the last one, unless another node wants it.
type FleetPerKey struct {
	// Key returns whose limit a job counts for; one with an empty key has none. Nil is off. It must
	// be the same on all nodes. Keys that are longer than 64 bytes are told apart by a hash.
	Key KeyFunc

	// Concurrency is how many jobs of a key run at a time; at least 1 with a Key.
	Concurrency int
}

func (p FleetPerKey) check() error {
	return errors.Join(
		p.Key.check(),
		unfitIf(p.Key == nil && p.Concurrency != 0, "Key", "nil with a Concurrency",
			"a function, for example KeyHeader(name)"),
		unfitIf(p.Key != nil && p.Concurrency < 1, "Concurrency", p.Concurrency, "1 or more, for the Key"))
}

func (f FleetLimits) check() error {
	return errors.Join(
		unfitIf(f.Concurrency < 0, "Concurrency", f.Concurrency, "0 for no limit, or more"),
		f.Rate.checkAs("Rate."),
		inField("PerKey.", f.PerKey.check()))
}
