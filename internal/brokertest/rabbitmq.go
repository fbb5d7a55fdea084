package brokertest

import (
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// rabbitEnv is the variable with the URL of the broker for the tests.
	rabbitEnv = "GENTASK_RABBITMQ_URL"

	rabbitDefault = "amqp://guest:guest@127.0.0.1:5672/"

	// probeTime is the most time to find out whether a broker answers.
	probeTime = 5 * time.Second
)

// rabbit is found once for each test process, because a private broker takes seconds to start.
var rabbit = sync.OnceValues(findRabbitMQ)

// RabbitMQ returns the URL of a RabbitMQ server: the one in GENTASK_RABBITMQ_URL, else the one on
// this machine's standard port, else a private one, which is started for this test process and ends
// with it. With a version in [RabbitMQVersionEnv], the one on the standard port is not asked. If
// there is none of them, the test fails with the reasons.
func RabbitMQ(t testing.TB) string {
	t.Helper()
	url, err := rabbit()
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// FindRabbitMQ is [RabbitMQ] for an Example, which has no testing.TB.
func FindRabbitMQ() (string, error) { return rabbit() }

func findRabbitMQ() (string, error) {
	if named := os.Getenv(rabbitEnv); named != "" {
		if err := probe(named); err != nil {
			return "", fmt.Errorf("brokertest: %s names a RabbitMQ that does not answer: %w", rabbitEnv, err)
		}
		return named, nil
	}
	version := os.Getenv(RabbitMQVersionEnv)
	if version != "" {
		return startRabbitMQ(version)
	}
	probed := probe(rabbitDefault)
	if probed == nil {
		return rabbitDefault, nil
	}
	private, err := startRabbitMQ("")
	if err != nil {
		return "", fmt.Errorf("brokertest: no RabbitMQ: %s is not set, 127.0.0.1:5672: %w, a private one: %w",
			rabbitEnv, probed, err)
	}
	return private, nil
}

// probe connects and disconnects.
func probe(at string) error {
	conn, err := amqp.DialConfig(at, amqp.Config{Dial: amqp.DefaultDial(probeTime)})
	if err != nil {
		return fmt.Errorf("%s: %w", redacted(at), err)
	}
	return conn.CloseDeadline(time.Now().Add(probeTime))
}

// redacted returns at without its password.
func redacted(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}

// RabbitMQVersion returns the version that the RabbitMQ server at the URL reports, such as "4.3.6".
func RabbitMQVersion(at string) (string, error) {
	conn, err := amqp.DialConfig(at, amqp.Config{Dial: amqp.DefaultDial(probeTime)})
	if err != nil {
		return "", fmt.Errorf("%s: %w", redacted(at), err)
	}
	version, _ := conn.Properties["version"].(string)
	return version, conn.CloseDeadline(time.Now().Add(probeTime))
}
