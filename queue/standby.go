package queue

import "context"

// Standby is an optional capability of a [Session]: to tell a broker that may not deliver from one
// that has forgotten the session. The consumer asks when nothing has come for a while although it
// could. A session on standby is shown in Health and left alone. Without Standby, or when it
// returns no reason, a silent session with messages at the broker is renewed, and given up if that
// does not help.
type Standby interface {
	// Standby returns why the broker delivers nothing to this session at the moment, by its rules
	// or by an operator's order. Examples: another consumer is the single active one, the consumer
	// is paused, the server is about to leave. The reason is a short text for operators, the same
	// as long as nothing changes. It is empty if the broker should deliver.
	//
	// An error means that the driver can't find out; the consumer then takes the session for one
	// that is not on standby. Standby honours ctx, which ends within a second. Each consumer may
	// call it every two seconds while nothing comes, so it must be cheap. It is safe for concurrent
	// use with the other methods of the session.
	Standby(ctx context.Context) (reason string, err error)
}
