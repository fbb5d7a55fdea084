package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// structure returns what the program prints, with runs of spaces as one.
func structure(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := run(append([]string{"-dir", "testdata/clock"}, args...), &out)
	lines := strings.Split(out.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n"), err
}

func TestFiguresOfAPackage(t *testing.T) {
	out, err := structure(t, "-exempt", "internal/gear", "-v",
		"-type", "Clock", "-type", "stack", "-type", "Alarm", "-type", "Time")
	require.NoError(t, err)
	require.Equal(t, `files 5
edges 7
mutual pairs of files 1
clock.go <-> hand.go
files in the largest circle 3
alarm.go
clock.go
hand.go
files with methods of Clock 2
clock.go
hand.go
methods of Clock 3
fields of Clock 2
files with methods of stack 1
stack.go
methods of stack 1
fields of stack 1
files with methods of Alarm 1
alarm.go
methods of Alarm 2
fields of Alarm 0
files with methods of Time 0
methods of Time 0
fields of Time 0
`, out)
}

func TestExportedIdentifiersOfWhatCanBeImported(t *testing.T) {
	out, err := structure(t, "-exempt", "internal/gear", "-exported")
	require.NoError(t, err)
	// Clock, Tick, Turn and its field Name; Alarm and Ring; Hours and Name; Time. Face and its
	// embedded Clock; New; Default.
	require.Contains(t, out, "exported in . 9\nexported in face 4\nexported in all 13\n")
}

func TestAPackageBelowTheRoot(t *testing.T) {
	out, err := structure(t, "-exempt", "internal/gear", "-max-pairs", "0", "-max-circle", "0", "./face")
	require.NoError(t, err)
	require.Contains(t, out, "edges 0\nmutual pairs of files 0 at most 0\nfiles in the largest circle 0 at most 0\n")
}

func TestBoundsThatHold(t *testing.T) {
	out, err := structure(t, "-exempt", "internal/gear", "-max-pairs", "1", "-max-circle", "3", "-type", "Clock=2")
	require.NoError(t, err)
	require.Contains(t, out, "files with methods of Clock 2 at most 2\n")
}

func TestEachBrokenBoundIsNamed(t *testing.T) {
	_, err := structure(t, "-max-pairs", "0", "-max-circle", "1", "-type", "Clock=1", "-type", "stack=1")
	require.EqualError(t, err, `mutual pairs of files: 1, which is 1 more than -max-pairs 0 allows
files in the largest circle: 3, which is 2 more than -max-circle 1 allows
files with methods of Clock: 2, which is 1 more than -type Clock=1 allows
internal/gear imports the root package: a package below internal/ must not`)
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-type", "Clock=many"}, `a type is NAME or NAME=FILES, with a number of files, not "Clock=many"`},
		{[]string{"-exempt", "internal/gear", "-type", "Sundial"}, "no type Sundial in package example.com/clock"},
		{[]string{"-exempt", "internal/gear", "-type", "wake"}, "no type wake in package example.com/clock"},
		{[]string{"./hourglass"}, "no package ./hourglass in module example.com/clock"},
		{[]string{"face", "cmd"}, `one package at most, not ["face" "cmd"]`},
		{[]string{"-dir", "testdata"}, "no package of a module"},
	} {
		_, err := structure(t, tt.args...)
		require.ErrorContains(t, err, tt.want)
	}
}
