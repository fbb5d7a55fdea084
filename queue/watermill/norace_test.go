//go:build !race

package watermill

// cuttable says that the tests may cut connections of watermill-amqp.
const cuttable = true
