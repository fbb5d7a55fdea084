package command_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/command"
)

const stack = "goroutine 7 [running]:\nmain.send(...)\n\t/app/send.go:12\nmain.main()\n\t/app/main.go:3\n"

func TestLetters_ListGroupShow(t *testing.T) {
	w := newWorld(t, "emails")
	require.Contains(t, w.call("", "letters", "list", "emails").err, "no letter matches")
	w.bury("emails", "a", "no such host\nsecond line", "")
	w.bury("emails", "b", "no such host", "")
	w.bury("emails", "\x1b[2Jc", "nil map", stack)

	lines := strings.Split(strings.TrimSpace(w.must("letters", "list", "emails")), "\n")
	require.Len(t, lines, 3)
	require.Equal(t, []string{"a", "1", "1", "", `no such host\nsecond line`}, without(strings.Split(lines[0], "\t"), 1))
	require.True(t, strings.HasPrefix(lines[2], `\x1b[2Jc`+"\t"))
	all := objects(t, w.must("--json", "letters", "list", "emails", "--reason", "nil"))
	require.Len(t, all, 1)
	fingerprint := all[0]["fingerprint"].(string)
	require.Len(t, fingerprint, 12)
	require.Equal(t, []string{"\x1b[2Jc"},
		column[string](objects(t, w.must("letters", "list", "emails", "--fingerprint", fingerprint, "--json")), "id"))
	require.Len(t, objects(t, w.must("letters", "list", "emails", "--limit", "2", "--json")), 2)

	groups := objects(t, w.must("--json", "letters", "list", "emails", "--group"))
	require.Equal(t, []float64{2, 1}, column[float64](groups, "letters"))
	require.Equal(t, []string{"no such host", "nil map"}, column[string](groups, "reason"))

	shown := w.must("letters", "show", "emails", "--id", "\x1b[2Jc")
	for _, want := range []string{`id: \x1b[2Jc`, "nil map", "send.go:12", "body of"} {
		require.Contains(t, shown, want)
	}
	require.NotContains(t, shown, "\x1b")
	require.Equal(t, "body of a", objects(t, w.must("--json", "letters", "show", "emails", "--id", "a"))[0]["body"])
	require.Equal(t, command.ExitMissing, w.call("", "letters", "show", "emails", "--id", "z").code)
	require.Equal(t, command.ExitMissing, w.call("", "letters", "list", "typo").code)
}

func without(texts []string, i int) []string { return append(texts[:i:i], texts[i+1:]...) }

// TestLetters_ChangeOnlyWithYes: without a terminal, no letter changes unless --yes is given.
func TestLetters_ChangeOnlyWithYes(t *testing.T) {
	w := newWorld(t, "emails")
	for _, id := range []string{"a", "b", "c", "d"} {
		w.bury("emails", id, "reason of "+id, "")
	}
	for _, verb := range []string{"redrive", "purge"} {
		o := w.call("y\n", "letters", verb, "emails")
		require.Equal(t, command.ExitUsage, o.code)
		require.Contains(t, o.err, "--yes")
	}
	require.Equal(t, "1 of 1 letters given back\n", w.must("letters", "redrive", "emails", "--id", "b", "--yes"))
	require.Equal(t, "2 of 2 letters removed\n", w.must("letters", "purge", "emails", "--limit", "2", "--yes"))
	require.Equal(t, []string{"d"}, column[string](objects(t, w.must("letters", "list", "emails", "--json")), "id"))
	require.Equal(t, []map[string]any{{"queue": "emails", "matched": 0.0, "done": 0.0}},
		objects(t, w.must("--json", "letters", "purge", "emails", "--yes", "--reason", "nothing has it")))
	require.Equal(t, "emails\t1\t0\t0\t1\t0\n", w.must("queues", "emails"))
}

// TestLetters_Interrupted shows what was done until then.
func TestLetters_Interrupted(t *testing.T) {
	w := newWorld(t, "emails")
	for i := range 10 {
		w.bury("emails", fmt.Sprint(i), "boom", "")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var watch sync.WaitGroup
	watch.Go(func() {
		for ctx.Err() == nil { // the first is given back at once, and the next a second later
			if stats, err := w.queues["emails"].Inspect(ctx); err != nil || stats.Ready > 0 {
				cancel(command.Interrupted())
			}
		}
	})
	o := w.callIn(ctx, "", "letters", "redrive", "emails", "--rate", "1", "--yes")
	watch.Wait()
	require.Equal(t, outcome{command.ExitInterrupted, "1 of 10 letters given back\n", o.err}, o)
	require.Contains(t, o.err, "interrupted")
}
