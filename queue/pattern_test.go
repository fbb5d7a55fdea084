package queue_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
)

func TestReasonPattern(t *testing.T) {
	for reason, want := range map[string]string{
		"":                                    "",
		"a\nb":                                "a",
		`order 17 of "ann" failed after 3.5s`: `order # of "…" failed after #.#s`,
		`order 4711 of "bob 2" failed after 12.25s`: `order # of "…" failed after #.#s`,
		"order 17 is lost":                          "order # is lost",
		"not `closed":                               "not `…",
	} {
		require.Equal(t, want, queue.ReasonPattern(reason))
	}
	require.Equal(t, strings.Repeat("x", 160)+"…", queue.ReasonPattern(strings.Repeat("x", 9999)))
	rapid.Check(t, func(t *rapid.T) {
		pattern := queue.ReasonPattern(rapid.String().Draw(t, "reason"))
		require.LessOrEqual(t, len(pattern), 170)
		require.True(t, utf8.ValidString(pattern))
		require.NotContains(t, pattern, "\n")
	})
}
