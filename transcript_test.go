package gentask

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

// update makes TestTranscripts rewrite what it would compare.
var update = flag.Bool("update", false, "rewrite the transcripts, and those that docs/life-of-a-job.md shows")

const transcripts = "testdata/transcripts"

// transcript is a file of transcripts: directives, a line of four dashes, and the lines that the
// consumer must produce.
type transcript struct {
	path   string
	script string
	want   string
}

const transcriptRule = "\n----\n"

func readTranscript(t *testing.T, path string) transcript {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	script, want, found := strings.Cut(string(text), transcriptRule)
	require.True(t, found || *update, "%s has no line of four dashes", path)
	return transcript{path: path, script: strings.TrimRight(script, "\n"), want: want}
}

func readTranscripts(t *testing.T) []transcript {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(transcripts, "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	all := make([]transcript, len(paths))
	for i, path := range paths {
		all[i] = readTranscript(t, path)
	}
	return all
}

func (tr transcript) name() string { return strings.TrimSuffix(filepath.Base(tr.path), ".txt") }

// TestTranscripts replays each script in testdata/transcripts, and compares each message to the
// ledger, each effect and each event with the lines below the script. See the README there.
func TestTranscripts(t *testing.T) {
	lab := newSimLab(t)
	for _, tr := range readTranscripts(t) {
		t.Run(tr.name(), func(t *testing.T) {
			got := lab.replay(t, tr)
			if *update {
				text := tr.script + transcriptRule + got
				require.NoError(t, os.WriteFile(tr.path, []byte(text), 0o600))
				return
			}
			require.Equal(t, tr.want, got, "%s; go test -run TestTranscripts . -update rewrites it", tr.path)
		})
	}
	if *update {
		updatePage(t)
	}
}

// replay plays a script, and returns the lines of its transcript.
func (lab *simLab) replay(t *testing.T, tr transcript) (got string) {
	t.Helper()
	var failed error
	synctest.Test(t, func(*testing.T) {
		p := newReplay(lab.sys)
		lab.now.Store(p.conductor)
		atomic.StoreUint64(&lab.sys.ProcessRegistry.SequenceID, firstName)
		failed = p.play(tr.script)
		p.end()
		got = p.log.text()
	})
	require.NoError(t, failed, tr.path)
	require.Zero(t, lab.count()-lab.actors, "actors are left")
	return got
}

// play carries out the directives of a script, and then waits until all is settled.
func (p *replay) play(script string) error {
	for i, line := range strings.Split(script, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if err := p.directive(line); err != nil {
			return fmt.Errorf("line %d, %q: %w", i+1, line, err)
		}
	}
	if !p.cut {
		p.until(replayPatience, p.settledAll)
	}
	p.log.add(lineState, "%s", p.state())
	p.log.flush()
	return nil
}

// start starts a consumer whose ledgers are seen.
func (p *replay) start() error {
	c, err := New(&scribe{replay: p}, p.behavior(), p.cfg)
	if err != nil {
		return err
	}
	c.cfg.random = func() float64 { return 0.5 }
	c.cfg.partitions = 1
	p.consumer = c
	i := c.begin()
	props := i.tree(func() actor.Actor { return &witness{replay: p, ledger: newLedger(i)} })
	root := actor.SpawnRoot(p.sys, props, p.cfg.Name)
	actor.OnExit(p.sys, root, i.notStarted)
	return nil
}
