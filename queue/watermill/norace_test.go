//go:build !race

package watermill

// cuttable reports whether the tests may cut connections of watermill-amqp.
const cuttable = true
