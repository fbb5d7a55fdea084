package manual_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/command"
	"github.com/gentask/gentask/cmd/gentask/internal/manual"
)

const again = "the commands have changed: run make reference"

func TestReference_IsCurrent(t *testing.T) {
	document, err := os.ReadFile("../../../../docs/cli.md")
	require.NoError(t, err)
	want, ok := manual.Replace(string(document), manual.Markdown(command.Tree()))
	require.True(t, ok)
	require.Equal(t, want, string(document), again)
	page, err := os.ReadFile("../../gentask.1")
	require.NoError(t, err)
	require.Equal(t, manual.Man(command.Tree()), string(page), again)
}

// TestReference_Fits the width of this project's documents, and has each command and flag.
func TestReference_Fits(t *testing.T) {
	text := manual.Markdown(command.Tree())
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			require.LessOrEqual(t, len(line), 101, line)
		}
	}
	for _, want := range []string{"### gentask letters redrive", "`--url URL`", "variable: GENTASK_URL", "default: 25"} {
		require.Contains(t, text, want)
	}
	_, ok := manual.Replace("a document without a place", text)
	require.False(t, ok)
}
