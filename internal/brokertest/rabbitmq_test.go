package brokertest

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(parentEnv) != "" {
		parent() // of TestNoPostgresOutlivesATestProcess
		return
	}
	goleak.VerifyTestMain(m)
}

func Example() {
	url, err := FindRabbitMQ()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(url != "")
	// Output: true
}

// TestAPrivateBrokerIsAnotherAndOfTheVersionAskedFor, if one is: see `make test` and `make matrix`.
// Debian may have a newer one than the name says, but not an older one.
func TestAPrivateBrokerIsAnotherAndOfTheVersionAskedFor(t *testing.T) {
	wanted := os.Getenv(RabbitMQVersionEnv)
	if wanted == "" {
		wanted = "3.10" // the machine's own, the oldest that is supported
	}
	private, err := startRabbitMQ("")
	require.NoError(t, err)
	require.NotEqual(t, RabbitMQ(t), private)
	for range 3 {
		runtime.GC() // which closes the files that nobody refers to
	}
	found, err := RabbitMQVersion(private)
	require.NoError(t, err)
	programs, err := FindRabbitMQPrograms("")
	require.NoError(t, err)
	require.Equal(t, programs.Version(), found)
	require.LessOrEqual(t, release(t, wanted), release(t, found), "%s, not %s", found, wanted)
}

// release returns a number that grows with the version.
func release(t *testing.T, version string) int {
	t.Helper()
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	require.NoError(t, err, version)
	return major*1000 + minor
}

func TestAnUnknownVersionIsAnErrorThatNamesTheOthers(t *testing.T) {
	_, err := FindRabbitMQPrograms("3.7")
	require.ErrorContains(t, err, "3.10, 4.0 or 4.3")
}

func TestANamedBrokerThatDoesNotAnswerIsAnError(t *testing.T) {
	t.Setenv(rabbitEnv, "amqp://guest:secret@127.0.0.1:1/")
	_, err := findRabbitMQ()
	require.ErrorContains(t, err, rabbitEnv)
	require.NotContains(t, err.Error(), "secret")
	require.NotEmpty(t, os.Getenv(rabbitEnv))
}
