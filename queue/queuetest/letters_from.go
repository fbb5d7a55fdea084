package queuetest

import (
	"strings"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// letterParts: letters are read in parts, each once, in the order of a whole walk. A text that is
// no cursor is refused. Where a cursor is a position, those before it may go meanwhile.
func letterParts(b *bench) {
	b.open(1)
	b.bury(names(10)...)
	all := lettersIDs(b.letters(10, queue.LetterFilter{}))
	var seen []string
	cursor := ""
	for range 5 {
		part := b.part(cursor, 3)
		if len(part) == 0 {
			break
		}
		for i := range part {
			seen = append(seen, part[i].ID)
		}
		cursor = part[len(part)-1].Cursor
		if strings.HasPrefix(cursor, "p") {
			_, err := b.Letters.Purge(b.ctx, queue.LetterFilter{ID: part[0].ID})
			require.NoError(b.t, err)
		}
	}
	require.Equal(b.t, all, seen)
	b.bury("later")
	b.poll(func() bool { return len(b.part(cursor, 3)) > 0 })
	require.Equal(b.t, "later", b.part(cursor, 3)[0].ID)
	for _, bad := range []string{"x", "n", "n0", "n-1", "nx", "p", "px"} {
		for _, err := range b.Letters.From(b.ctx, bad) {
			require.ErrorIs(b.t, err, queue.ErrConfig, bad)
		}
	}
}

// part returns up to n letters behind a cursor.
func (b *bench) part(cursor string, n int) (part []queue.PlacedLetter) {
	b.t.Helper()
	for l, err := range b.Letters.From(b.ctx, cursor) {
		require.NoError(b.t, err)
		if part = append(part, l); len(part) == n {
			break
		}
	}
	return part
}
