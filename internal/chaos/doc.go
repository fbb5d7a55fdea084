// Package chaos starts private brokers and takes them through faults. RabbitMQ and JetStream
// servers are stopped, killed, restarted on the same data, short of memory and reconfigured. The
// network between client and broker is cut, stalls, slows and refuses.
//
// Everything is on loopback, on free ports, in a directory of its own. It ends with Close, and with
// the test process, however that ends. A guard outlives the process to kill the servers and to
// remove their files.
//
// Each broker has its own faults. JetStream has no alarms: a full store refuses each message by
// itself, as after Fill. It has no policies: a stream and its consumer have a configuration, which
// ChangeConsumer changes. It closes no connections by command: it stops, or changes the password or
// the rights of a user, which closes the connections of that user.
//
// It is test support: only tests import it.
package chaos
