package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const want = `run: ok 42
run: exit panic: no luck
yield: timeout
yield: ok late, but here
shutdown: task: cancelled
stream: 0 ok 1
stream: 1 ok 4
stream: 2 exit 0
stream: 3 ok 16
stream: 4 ok 25
`

func TestItDoesWhatItSays(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out strings.Builder
	require.NoError(t, run(ctx, &out))
	require.Equal(t, want, out.String())
}
