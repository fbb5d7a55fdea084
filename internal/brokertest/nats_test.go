package brokertest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestANATSServerIsFound(t *testing.T) { require.NoError(t, probeNATS(NATS(t))) }

func TestAServerOfTheTestsOwnAnswersAndEndsWithIt(t *testing.T) {
	var own string
	t.Run("its test", func(t *testing.T) {
		own = OwnNATS(t)
		require.NoError(t, probeNATS(own))
		require.NotEqual(t, NATS(t), own)
	})
	require.Error(t, probeNATS(own))
}

func TestAProxyPassesOnUntilItIsCut(t *testing.T) {
	p := NewProxy(t, NATS(t))
	require.NoError(t, probeNATS(p.URL()))
	p.Cut()
	require.NoError(t, probeNATS(p.URL()), "new connections are passed on")
}
