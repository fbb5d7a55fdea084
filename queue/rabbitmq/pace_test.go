package rabbitmq

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPaceRestsAfterABurst(t *testing.T) {
	var p pace
	now := time.Now()
	require.LessOrEqual(t, p.rest(now), time.Duration(0), "nothing was written")
	p.note(maxFrames, now)
	require.LessOrEqual(t, p.rest(now), time.Duration(0), "few were")
	p.note(1, now.Add(digestion/2))
	require.Equal(t, digestion, p.rest(now.Add(digestion/2)))
	p.note(maxFrames, now.Add(2*digestion))
	require.LessOrEqual(t, p.rest(now.Add(2*digestion)), time.Duration(0), "they were digested meanwhile")
}
