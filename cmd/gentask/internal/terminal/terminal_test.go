package terminal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
)

// screen returns one that writes to a pipe, and what it wrote.
func screen(asJSON bool) (*terminal.Screen, *bytes.Buffer) {
	var out bytes.Buffer
	return terminal.New(terminal.Config{Out: &out, Err: &bytes.Buffer{}, In: strings.NewReader(""), JSON: asJSON}), &out
}

func TestCut(t *testing.T) {
	for most, want := range map[int]string{-1: "", 0: "", 1: "…", 2: "ä…", 3: "äbc", 4: "äbc"} {
		require.Equal(t, want, terminal.Cut("äbc", most))
	}
}

// TestNothingIsLeft that a terminal could take for a command, in a table and in an object.
func TestNothingIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		text += string(rapid.SliceOf(rapid.SampledFrom([]rune{0x1b, 0x9b, 0x202e, 0x2028, 0xad, 0xe0001, 'a'})).Draw(t, "runes"))
		s, out := screen(false)
		table := s.Table("A", "B")
		table.Row(terminal.Plain(text, text)...)
		table.Close()
		s.Flush()
		require.Equal(t, 1, strings.Count(out.String(), "\t"))
		requireHarmless(t, strings.Replace(strings.TrimSuffix(out.String(), "\n"), "\t", "", 1))

		s, out = screen(true)
		s.Object(map[string]string{"text": text})
		s.Flush()
		requireHarmless(t, strings.TrimSuffix(out.String(), "\n"))
		var back map[string]string
		require.NoError(t, json.Unmarshal(out.Bytes(), &back))
		require.Equal(t, strings.ToValidUTF8(text, "�") == text, back["text"] == text)
	})
}

func requireHarmless(t require.TestingT, text string) {
	for _, r := range text {
		require.True(t, unicode.IsPrint(r), "%q", r)
	}
}

func TestObject_IsOneLine(t *testing.T) {
	s, out := screen(true)
	s.Object(map[string]string{"a": "<b>\n\u202e"})
	s.Flush()
	require.Contains(t, out.String(), `"<b>\n\u202e"}`+"\n")
}

func TestTable_OfAPipeHasNoHead(t *testing.T) {
	s, out := screen(false)
	table := s.Table("QUEUE", "READY")
	table.Row(terminal.Plain("emails", "12")...)
	table.Row(terminal.Plain("a\tb", "-")...)
	table.Close()
	s.Flush()
	require.Equal(t, "emails\t12\na\\tb\t-\n", out.String())
	require.Equal(t, "text", s.Paint(terminal.Bad, "text"))
	require.False(t, s.Listens())
}

type fullDisk struct{}

var errFull = errors.New("no space left")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestErr_IsTheFirstOfAWrite(t *testing.T) {
	s := terminal.New(terminal.Config{Out: fullDisk{}, Err: &bytes.Buffer{}, In: strings.NewReader("")})
	s.Printf("%s", "x")
	require.NoError(t, s.Err())
	s.Flush()
	require.ErrorIs(t, s.Err(), errFull)
}
