package command_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/command"
)

// TestMistakes: a mistake ends with exit code 2, no output, and an error with what would be right.
func TestMistakes(t *testing.T) {
	w := newWorld(t, "emails")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"doctor", []string{"qeues"}},
		{"letters has list, show, redrive, purge", []string{"letters", "lits", "emails"}},
		{"no flag --jsno", []string{"queues", "--jsno"}},
		{"QUEUE", []string{"letters", "list"}},
		{"QUEUE", []string{"letters", "list", "a", "b"}},
		{"want gentask pause QUEUE", []string{"pause", ""}},
		{"want more than 0", []string{"--patience", "0s", "queues"}},
		{"patience", []string{"--patience", "soon", "queues"}},
		{"want a positive number", []string{"letters", "list", "emails", "--limit", "-1"}},
		{"want a positive number", []string{"letters", "redrive", "emails", "--rate", "-1", "--yes"}},
		{"want a positive number", []string{"letters", "redrive", "emails", "--rate", "NaN", "--yes"}},
		{"NAME=VALUE", []string{"publish", "emails", "--header", "x"}},
		{"one of them", []string{"publish", "emails", "--delay", "1s", "--at", "2026-01-01T00:00:00Z"}},
		{"want a time like", []string{"publish", "emails", "--at", "tomorrow"}},
		{"one message", []string{"publish", "emails", "--lines", "--id", "x"}},
		{"quorum or classic", []string{"publish", "emails", "--queue-type", "stream"}},
		{"FILE", []string{"publish", "emails", "/no/such/file"}},
		{"Priority", []string{"publish", "emails", "--priority", "77"}},
		{"want a positive number, or reset", []string{"limit", "concurrency", "emails", "many"}},
		{"none or reset", []string{"limit", "rate", "emails", "fast"}},
		{"none or reset", []string{"limit", "rate", "emails", "NaN"}},
		{"shows no message", []string{"peek", "emails"}},
		{"PROGRAM", []string{"run", "emails", "--", "/no/such/program"}},
		{"want 1 or more", []string{"run", "emails", "--attempts", "0", "--", "true"}},
		{"QUEUE -- PROGRAM", []string{"run", "emails"}},
		{"Cron", []string{"schedule", "add", "plans", "daily", "every day"}},
		{"two bodies", []string{"schedule", "add", "plans", "p", "@daily", "--body", "x", "--body-file", "y"}},
		{"fleet", []string{"--fleet", "Not A Name", "nodes"}},
	} {
		o := w.call("", c.args...)
		require.Equal(t, command.ExitUsage, o.code, "%q: %s%s", c.args, o.out, o.err)
		require.Empty(t, o.out, "%q", c.args)
		require.Contains(t, o.err, c.want, "%q", c.args)
	}
}

// TestHelp of each command is there, and shows no URL.
func TestHelp(t *testing.T) {
	t.Setenv("GENTASK_URL", "amqp://ana:geheim@host/")
	w := newWorld(t)
	for _, args := range [][]string{
		{"--help"}, {"queues", "--help"}, {"letters"}, {"letters", "redrive", "-h"}, {"run", "--help"}, {"completion", "bash"}, {"man"},
	} {
		o := w.call("", args...)
		require.Equal(t, 0, o.code, o.err)
		require.NotEmpty(t, o.out)
		require.NotContains(t, o.out+o.err, "geheim")
	}
	require.Contains(t, w.must("--version"), "gentask version")
}
