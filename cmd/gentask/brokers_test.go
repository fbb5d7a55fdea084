package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue/embedded"
)

// TestBrokers_OneJobThroughAll its states: published, looked at, dead, and given back.
func TestBrokers_OneJobThroughAll(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		if p.system != "PostgreSQL" {
			require.NotZero(t, p.call(t, "x", "publish", p.queue).code)
		}
		ids := strings.Fields(p.must(t, "one\ntwo\nthree\n", "publish", p.queue, "--lines", "--create", "--header", "to=ana"))
		require.Len(t, ids, 3)
		p.ready(t, 3)
		p.peek(t, ids)

		run := start(t, p.args("run", p.queue, "--json", "--", "sh", "-c", `grep -q three && exit 65; echo "$GENTASK_HEADER_TO" is away; exit 65`)...)
		for range ids {
			one := objects(t, run.line())[0]
			require.Equal(t, "dead letter", one["became"], one)
		}
		require.Zero(t, run.end(syscall.SIGINT), run.log)
		require.Eventually(t, func() bool {
			return len(objects(t, p.must(t, "", "letters", "list", p.queue, "--json"))) == 3
		}, patience, 50*time.Millisecond)
		require.Contains(t, p.must(t, "", "letters", "show", p.queue, "--id", ids[0]), "ana is away")
		require.Equal(t, "1 of 1 letters given back\n", p.must(t, "", "letters", "redrive", p.queue, "--limit", "1", "--yes"))
		p.ready(t, 1)
		require.Equal(t, "2 of 2 letters removed\n", p.must(t, "", "letters", "purge", p.queue, "--yes"))

		run = start(t, p.args("run", p.queue, "--", "cat")...)
		require.Contains(t, run.line(), "\tack\t1\t")
		require.Zero(t, run.end(syscall.SIGTERM))
	})
}

// peek checks that a look takes nothing, or is refused.
func (p place) peek(t *testing.T, ids []string) {
	t.Helper()
	if !p.peeks {
		o := p.call(t, "", "peek", p.queue)
		require.Equal(t, 2, o.code)
		require.Contains(t, o.err, "costs each an attempt")
		return
	}
	require.Contains(t, p.must(t, "", "queues"), p.queue+"\t3\t")
	for range 2 {
		all := objects(t, p.must(t, "", "peek", p.queue, "--json", "--limit", "2"))
		require.Len(t, all, 2)
		require.Equal(t, ids[0], all[0]["id"])
		require.Equal(t, "one", all[0]["body"])
		require.Equal(t, map[string]any{"to": "ana"}, all[0]["headers"])
	}
}

// TestBrokers_Fleet steers a program that has joined: over each broker that reaches other
// processes.
func TestBrokers_Fleet(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		if p.system == "Embedded" {
			return // one process has it
		}
		p = p.current(t)
		p.must(t, "x", "publish", p.queue, "--create", "--id", "m1")
		run := start(t, p.args("run", p.queue, "--join", "--", "sleep", "100")...)
		var node string
		require.Eventually(t, func() bool {
			all := objects(t, p.must(t, "", "jobs", "--json"))
			if len(all) == 1 {
				node = fmt.Sprint(all[0]["node"])
			}
			return len(all) == 1 && all[0]["id"] == "m1"
		}, patience, 50*time.Millisecond)
		require.Equal(t, fmt.Sprintf("%s\t%s\t%[2]s\tyes\t0\t\n", node, p.queue),
			p.must(t, "", "pause", p.queue, "--reason", "a test"))
		require.Contains(t, p.must(t, "", "commands"), "a test")
		require.Contains(t, p.must(t, "", "queues"), p.queue)
		require.Contains(t, p.must(t, "", "resume", p.queue), "yes")
		require.Contains(t, p.must(t, "", "cancel", "m1"), "yes\t1\t")
		p.must(t, "", "drain", node)
		require.Zero(t, run.end(), "%s", run.log)
	})
}

// TestBrokers_Doctor finds nothing wrong at a broker that is well.
func TestBrokers_Doctor(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		p = p.current(t)
		p.must(t, "x", "publish", p.queue, "--create")
		p.ready(t, 1)
		o := p.call(t, "", "doctor", p.queue, "--json", "--all")
		what := map[any]string{}
		for _, f := range objects(t, o.out) {
			what[f["what"]] += fmt.Sprint(f["level"]) + " "
		}
		for _, want := range map[string][]string{
			"RabbitMQ": {"server", "alarm", "rights", "policies"}, "JetStream": {"server", "max_payload", "sync_interval"},
			"PostgreSQL": {"server", "fsync", "schema", "connections"}, "Embedded": {"directory", "free space"},
		}[p.system] {
			require.Contains(t, what, want, o.out)
		}
		nobody := p.system == "RabbitMQ" || p.system == "PostgreSQL" // count consumers
		require.Equal(t, map[bool]int{true: 1, false: 0}[nobody], o.code, o.out+o.err)
		p.must(t, "", "schedule", "add", "plans", "daily", "@daily")
		require.Contains(t, p.must(t, "", "schedule", "list", "plans"), "daily\t@daily")
	})
}

// TestBrokers_ThatAreAway are exit code 3, soon, and without the password.
func TestBrokers_ThatAreAway(t *testing.T) {
	for _, url := range []string{
		"amqp://ana:geheim@127.0.0.1:1/", "nats://ana:geheim@127.0.0.1:1", "postgres://ana:geheim@127.0.0.1:1/x",
	} {
		for _, args := range [][]string{{"queues", "x"}, {"nodes"}, {"doctor", "x", "--no-fleet"}, {"publish", "x", "--create"}} {
			o := call(t, "x", append([]string{"--patience", "2s", "--url", url}, args...)...)
			if args[0] == "doctor" && o.code == 1 { // that it is away is its finding
				require.Contains(t, o.out, "wrong\tconnection")
			} else {
				require.Equal(t, 3, o.code, "%s %s: %s", url, args, o.err)
			}
			require.NotContains(t, o.out+o.err, "geheim")
		}
	}
}

// TestDirectory_InUse: the error names the process that has the directory open.
func TestDirectory_InUse(t *testing.T) {
	path := t.TempDir()
	broker, err := embedded.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, broker.Close()) }()
	o := call(t, "", "--url", "file:"+path, "queues")
	require.Equal(t, 3, o.code)
	require.Contains(t, o.err, "Only one process can have it open")
}
