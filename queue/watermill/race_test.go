//go:build race

package watermill

// cuttable is off under the race detector: watermill-amqp 3.0.2 itself has a race, between a subscription that looks for its connection and the
// goroutine that makes a new one. Run the tests without -race to have connections cut.
const cuttable = false
