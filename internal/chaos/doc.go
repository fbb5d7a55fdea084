// Package chaos starts private brokers and takes them through faults: RabbitMQ and JetStream servers that are stopped, killed, restarted on the
// same data, short of memory, reconfigured, and a network between client and broker that is cut, stalls, slows and refuses.
//
// Everything is on loopback, on free ports, in a directory of its own. It ends with Close, and with the test process, however that ends: a guard
// outlives the process for as long as it takes to kill what was started and to remove its files.
//
// It is test support: nothing but tests imports it.
package chaos
