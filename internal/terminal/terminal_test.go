package terminal_test

import (
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/terminal"
)

func TestTextsOfStrangers(t *testing.T) {
	for text, want := range map[string]string{
		"order-7, 7 €":        "order-7, 7 €",
		"\x1b[2J\x1b]0;t\x07": `\x1b[2J\x1b]0;t\a`,
		"a\nb\tc\r":           `a\nb\tc\r`,
		"\u202egnp.exe":       `\u202egnp.exe`,
		"\u009b2J":            `\u009b2J`,
		"\xff":                `�`,
		"it's":                "it's",
	} {
		require.Equal(t, want, terminal.Text(text))
	}
	require.Equal(t, "main.f()\n  \t/a.go:1\n  \\x1b[2J", terminal.Lines("main.f()\n\t/a.go:1\n\x1b[2J\n", "  "))
}

// TestNothingIsLeft that a terminal could take for a command.
func TestNothingIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, r := range terminal.Text(string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))) {
			require.True(t, unicode.IsPrint(r), "%q", r)
		}
	})
}
