package queuetest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNeedsNameCases: a case that is renamed is renamed there too.
func TestNeedsNameCases(t *testing.T) {
	known := map[string]bool{}
	for _, tc := range cases() {
		known[tc.name] = true
	}
	for name, capabilities := range needs() {
		require.True(t, known[name], "%q is no case", name)
		for _, c := range capabilities {
			require.Contains(t, lacks(), c)
		}
	}
}
