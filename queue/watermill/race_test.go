//go:build race

package watermill

// cuttable is false under the race detector, because watermill-amqp 3.0.2 itself has a race,
// between a subscription that looks for its connection and the goroutine that makes a new one. To
// cut connections, run the tests without -race.
const cuttable = false
