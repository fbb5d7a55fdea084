// Command bench compares gentask with what its users would pick instead, and with what it is made
// of. It runs ours and the other side alternately in one process and takes the ratio pair by pair,
// so that what else the machine does strikes both. Two suites, load and soak, compare a long run of
// ours with itself: late with early, watched over time.
//
//	go run . -suite kernel            one of: kernel, memory, storm, scale, upstream, rabbitmq, jetstream, postgres, peers, all; or load, soak
//	go run . -suite rabbitmq -pairs 9 -json
//	go run . -suite all -json | go run ./chart
//	../scripts/with-rabbitmq --private go run . -suite load
//	../scripts/with-postgres go run . -suite postgres
//	go run . -suite soak -for 1h -rate 2000
//
// RabbitMQ is expected at GENTASK_RABBITMQ_URL (amqp://guest:guest@127.0.0.1:5672/), Redis at
// GENTASK_REDIS_ADDR (127.0.0.1:6379), PostgreSQL at GENTASK_POSTGRES_URL
// (postgres://postgres@127.0.0.1:5432/test), for the suites that need them; JetStream runs inside
// the process. The exit status is 1 when a target is missed or could not be measured.
//
// It is a module of its own, so that peers never become dependencies of the library.
package main
