package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCompletion_InBash has the queues of the broker. It evaluates no name of a queue, which
// anybody who may publish could have chosen.
func TestCompletion_InBash(t *testing.T) {
	p := atDirectory(t, place{queue: "emails", fleet: "cli"})
	for _, name := range []string{"emails", "events", "e$(touch${IFS}evaluated)", "e`touch${IFS}evaluated`", "reports"} {
		p.must(t, "x", "publish", name, "--create")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(self, filepath.Join(dir, "gentask")))
	// The first function is one of the package bash-completion.
	script := `_comp_initialize() { :; }
		source <(gentask completion bash) || exit 1
		COMP_WORDS=(gentask letters list e); COMP_CWORD=3
		__gentask_bash_autocomplete; printf '%s\n' "${COMPREPLY[@]}"`
	c := exec.CommandContext(t.Context(), "bash", "-c", script)
	c.Dir = dir
	c.Env = append(os.Environ(), asCommand+"=yes", "GORACE=atexit_sleep_ms=0", "GENTASK_URL="+p.flags[1],
		"PATH="+dir+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "emails\nevents", strings.TrimSpace(string(out)))
	require.NoFileExists(t, filepath.Join(dir, "evaluated"))
}

// TestCompletion_OnEachBroker has the queue, and is silent without a broker, and where it does not
// tell.
func TestCompletion_OnEachBroker(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		p.must(t, "x", "publish", p.queue, "--create")
		o := p.call(t, "", "letters", "list", "--generate-shell-completion")
		if p.system == "RabbitMQ" {
			require.Equal(t, outcome{}, o)
			return
		}
		require.Zero(t, o.code)
		require.Contains(t, o.out, p.queue+"\n")
		require.Empty(t, o.err)
	})
	for _, url := range []string{"", "nats://127.0.0.1:1", "postgres://127.0.0.1:1/x", "amqp://127.0.0.1:1/", "file:/no/such"} {
		require.Equal(t, outcome{}, call(t, "", "--url", url, "queues", "--generate-shell-completion"), url)
	}
}

// TestSuggestion_OnEachBroker that lists its queues. On PostgreSQL every name is a queue, so that
// it is a note.
func TestSuggestion_OnEachBroker(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		p.must(t, "x", "publish", p.queue, "--create")
		o := p.call(t, "", "letters", "list", p.queue+"x")
		if p.system == "RabbitMQ" {
			require.NotContains(t, o.err, "did you mean")
			return
		}
		require.Contains(t, o.err, `(did you mean "`+p.queue+`"?)`)
	})
}
