package command_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/command"
)

// TestSuggestions: a mistake gets the name that was probably meant.
func TestSuggestions(t *testing.T) {
	w := newWorld(t, "emails", "reports")
	for _, c := range []struct {
		want string
		args []string
	}{
		{`no command "qeues" (did you mean "queues"?)`, []string{"qeues"}},
		{`no command "lits" (did you mean "list"?)`, []string{"letters", "lits", "emails"}},
		{"no flag --jsno (did you mean --json?)", []string{"queues", "--jsno"}},
		{"no flag --concurency (did you mean --concurrency?)", []string{"run", "emails", "--concurency", "3", "--", "true"}},
		{"no flag --patiense (did you mean --patience?)", []string{"letters", "list", "emails", "--patiense", "3s"}},
		{`no such queue: "emials" (did you mean "emails"?)`, []string{"letters", "list", "emials"}},
		{`(did you mean "reports"?); --create makes it`, []string{"publish", "report"}},
		{`(did you mean "reports"?)`, []string{"queues", "repotrs"}},
	} {
		o := w.call("", c.args...)
		require.NotZero(t, o.code, "%q", c.args)
		require.Contains(t, o.err, c.want, "%q", c.args)
	}
	for _, args := range [][]string{{"orders"}, {"queues", "--orders"}, {"queues", "orders"}} {
		require.NotContains(t, w.call("", args...).err, "did you mean", "%q", args)
	}
	w.list = false
	require.Equal(t, command.ExitMissing, w.call("", "letters", "list", "emials").code)
}

// TestSuggestions_OfNodes: a command to a queue that no node has is kept, with a note.
func TestSuggestions_OfNodes(t *testing.T) {
	w := newWorld(t, "emails")
	w.join("emails", "node-1")
	o := w.call("", "pause", "emials", "--wait", "1s")
	require.Equal(t, command.ExitDone, o.code)
	require.Contains(t, o.err, `queue "emials" (did you mean "emails"?)`)
	require.NotContains(t, w.call("", "pause", "emails", "--wait", "1s").err, "did you mean")
}

// loose is a world in which every name is a queue.
type loose struct{ *world }

func (l loose) Find(context.Context, string) error { return nil }

func (l loose) Uses(_ context.Context, name string) (bool, error) { return l.queues[name] != nil, nil }

func (l loose) Queue(name string) broker.Queue {
	if l.queues[name] == nil {
		return l.world.Queue("other")
	}
	return l.world.Queue(name)
}

// TestSuggestions_WhereEveryNameIsAQueue are notes.
func TestSuggestions_WhereEveryNameIsAQueue(t *testing.T) {
	w := newWorld(t, "emails", "other")
	w.opened = loose{w}
	o := w.call("", "queues", "emials")
	require.Equal(t, command.ExitDone, o.code, o.err)
	require.Contains(t, o.err, `queue "emials" (did you mean "emails"?)`)
	for _, name := range []string{"emails", "reports"} {
		require.Empty(t, w.call("", "queues", name).err)
	}
}

// TestCompletion has the queues where one is wanted, and nothing that a shell would evaluate.
func TestCompletion(t *testing.T) {
	w := newWorld(t, "emails", "team/re-ports_1.x", "$(touch x)", "`id`", "-rf", "a b", "a;b", "a:b", "a\nb", "*", "~", "{a,b}", "ö")
	all := "emails\nteam/re-ports_1.x\nö\n"
	for _, c := range []struct {
		want string
		args []string
	}{
		{all, []string{"queues"}},
		{all, []string{"queues", "emails"}},
		{all, []string{"letters", "redrive"}},
		{all, []string{"letters", "redrive", "--yes", "--id", "x"}},
		{"", []string{"letters", "redrive", "emails"}},
		{all, []string{"pause"}},
		{all, []string{"limit", "rate"}},
		{"", []string{"limit", "rate", "emails"}},
		{all, []string{"run"}},
		{"", []string{"run", "emails", "--", "prog"}},
		{all, []string{"jobs", "--queue"}},
		{all, []string{"cancel", "m1", "--queue"}},
		{"", []string{"cancel"}},
		{"", []string{"schedule", "list"}},
	} {
		o := w.call("", append(c.args, "--generate-shell-completion")...)
		require.Equal(t, outcome{0, c.want, ""}, o, "%q", c.args)
	}
	require.Contains(t, w.call("", "queues", "--js", "--generate-shell-completion").out, "--json")
	require.Contains(t, w.call("", "letters", "--generate-shell-completion").out, "redrive")

	w.list = false
	require.Equal(t, outcome{}, w.call("", "queues", "--generate-shell-completion"))
	w.broken = errors.New("away")
	require.Equal(t, outcome{}, w.call("", "queues", "--generate-shell-completion"))
}
