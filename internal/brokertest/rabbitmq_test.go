package brokertest

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	url, err := FindRabbitMQ()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(url != "")
	// Output: true
}

func TestAPrivateBrokerAnswersAndIsAnother(t *testing.T) {
	private, err := startRabbitMQ()
	require.NoError(t, err)
	require.NoError(t, probe(private))
	require.NotEqual(t, RabbitMQ(t), private)
}

func TestANamedBrokerThatDoesNotAnswerIsAnError(t *testing.T) {
	t.Setenv(rabbitEnv, "amqp://guest:secret@127.0.0.1:1/")
	_, err := findRabbitMQ()
	require.ErrorContains(t, err, rabbitEnv)
	require.NotContains(t, err.Error(), "secret")
	require.NotEmpty(t, os.Getenv(rabbitEnv))
}
