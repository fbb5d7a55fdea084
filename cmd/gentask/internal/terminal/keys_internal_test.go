package terminal

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeysOf(t *testing.T) {
	for text, want := range map[string][]Key{
		"jq\x03":            {'j', 'q', KeyInterrupt},
		"\x1b[A\x1b[B":      {KeyUp, KeyDown},
		"\x1bOA\x1bOB":      {KeyUp, KeyDown},
		"\x1b[5~\x1b[6~g":   {KeyPageUp, KeyPageDown, 'g'},
		"\x1b[H\x1b[F":      {KeyHome, KeyEnd},
		"\x1b[1;5Aj":        {'j'}, // a key that means nothing here
		"\x1b[?1049h\x1bjé": {'j'},
		"":                  nil,
	} {
		keys, rest := keysOf([]byte(text))
		require.Equal(t, want, keys, "%q", text)
		require.Empty(t, rest, "%q", text)
		var single []Key // as if each byte came by itself
		for i := range len(text) {
			keys, rest = keysOf(append(rest, text[i]))
			single = append(single, keys...)
		}
		require.Equal(t, want, single, "%q", text)
	}
}
