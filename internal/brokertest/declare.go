package brokertest

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// DeclareRabbitMQ declares a durable queue at the RabbitMQ of a URL, as an operator does. The test
// deletes it.
func DeclareRabbitMQ(t testing.TB, at, name string, args map[string]any) {
	t.Helper()
	conn, err := amqp.Dial(at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err == nil {
		_, err = ch.QueueDeclare(name, true, false, false, false, args)
	}
	if err != nil {
		t.Fatal(err)
	}
}
