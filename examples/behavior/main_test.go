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

const want = `"ann@example.com"  ok: receipt-ann@example.com
""                 exit: bad address
"panic@example.com" exit: panic: index out of range
"slow@example.com" timeout: give it a little longer
"slow@example.com" ok: receipt-slow@example.com
"panic@example.com" ok: receipt-panic@example.com
dead letter: {"To":""} (bad address)
`

func TestItDoesWhatItSays(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out strings.Builder
	require.NoError(t, run(ctx, &out))
	require.Equal(t, want, out.String())
}
