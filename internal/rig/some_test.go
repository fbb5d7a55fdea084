package rig

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSome(t *testing.T) {
	n := 0
	for i := range 1000 {
		if Some(strconv.Itoa(i), 4) {
			n++
		}
	}
	if underRace {
		require.InDelta(t, 250, n, 60)
	} else {
		require.Equal(t, 1000, n)
	}
}

func TestSeeds(t *testing.T) {
	if underRace {
		require.EqualValues(t, 3, Seeds(12, 4))
		require.EqualValues(t, 1, Seeds(3, 4))
	} else {
		require.EqualValues(t, 12, Seeds(12, 4))
	}
}
