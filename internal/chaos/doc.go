// Package chaos starts private brokers and takes them through faults: RabbitMQ and JetStream servers that are stopped, killed, restarted on the
// same data, short of memory, reconfigured, and a network between client and broker that is cut, stalls, slows and refuses.
//
// Everything is on loopback, on free ports, in a directory of its own. It ends with Close, and with the test process, however that ends: a guard
// outlives the process for as long as it takes to kill what was started and to remove its files.
//
// What a broker has no word for is no fault here: JetStream raises no alarms (a full store refuses each message by itself, which Fill does), knows
// no policies (a stream and its consumer have a configuration, which anybody with the right may change, as ChangeConsumer does), and closes no
// connections by command (it stops, or changes a user's password or rights, which closes his).
//
// It is test support: nothing but tests imports it.
package chaos
