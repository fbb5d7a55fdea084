package command

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestNearest finds what was meant, and does not guess wildly.
func TestNearest(t *testing.T) {
	names := []string{"queues", "letters", "schedule", "tail", "top", "emails", "emails-eu", "reports"}
	for typed, want := range map[string]string{
		"qeues": "queues", "queue": "queues", "Queues": "queues", "letres": "letters", "sched": "schedule", "tial": "tail",
		"emials": "emails", "email": "emails", "emails-ue": "emails-eu", "report": "reports",
		"x": "", "": "", "t": "", "tap": "tail", "orders": "", "letters": "",
	} {
		if typed == "tap" { // both are near: the first one, or the other
			require.Contains(t, []string{"tail", "top"}, nearest(typed, names))
			continue
		}
		require.Equal(t, want, nearest(typed, names), typed)
	}
	require.Empty(t, nearest("anything", nil))
}

// TestDistance is the same in both directions, and that of one mistake is 1.
func TestDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringN(0, 8, -1).Draw(t, "a"), rapid.StringN(0, 8, -1).Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) || (d == 0) != (string([]rune(a)) == string([]rune(b))) {
			t.Fatalf("%q %q %d", a, b, d)
		}
		if r := []rune(a); len(r) > 1 {
			i := rapid.IntRange(0, len(r)-2).Draw(t, "i")
			without := string(r[:i]) + string(r[i+1:])
			if distance(a, without) != 1 {
				t.Fatalf("%q without a letter: %q", a, without)
			}
			r[i], r[i+1] = r[i+1], r[i]
			if string(r) != string([]rune(a)) && distance(a, string(r)) != 1 {
				t.Fatalf("%q swapped: %q", a, string(r))
			}
		}
	})
}
