package gentask

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const lifePage = "docs/life-of-a-job.md"

var (
	// linkInPage matches a link to a file of this repository.
	linkInPage = regexp.MustCompile(`\]\((\.\./[^)#]+)\)`)
	// shownInPage matches a transcript that the page shows in full, after a comment that names it.
	shownInPage = regexp.MustCompile("(?s)<!-- transcript ([a-z-]+) -->\n```\n(.*?)```\n")
)

// TestTranscripts_Page: each row of the tables in docs/life-of-a-job.md links to its transcript, or
// to the test that covers it, and each transcript has a row.
func TestTranscripts_Page(t *testing.T) {
	text, err := os.ReadFile(lifePage)
	require.NoError(t, err)
	linked := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| what happens |") {
			continue
		}
		links := linkInPage.FindAllStringSubmatch(line, -1)
		require.NotEmpty(t, links, "the row links to no transcript: %s", line)
		for _, link := range links {
			path := filepath.Join(filepath.Dir(lifePage), link[1])
			require.FileExists(t, path, "%s", line)
			linked[path] = true
		}
	}
	for _, tr := range readTranscripts(t) {
		require.True(t, linked[tr.path], "no row of %s links to %s", lifePage, tr.path)
	}
}

// TestTranscripts_Shown: the transcripts that docs/life-of-a-job.md shows in full are those of the
// files.
func TestTranscripts_Shown(t *testing.T) {
	text, err := os.ReadFile(lifePage)
	require.NoError(t, err)
	shown := shownInPage.FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, shown)
	for _, block := range shown {
		require.Equal(t, fileOf(t, block[1]), block[2], "%s; go test -run TestTranscripts . -update rewrites it", block[1])
	}
}

// updatePage puts the transcripts into the page that it shows in full.
func updatePage(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(lifePage)
	require.NoError(t, err)
	page := shownInPage.ReplaceAllStringFunc(string(text), func(block string) string {
		name := shownInPage.FindStringSubmatch(block)[1]
		return "<!-- transcript " + name + " -->\n```\n" + fileOf(t, name) + "```\n"
	})
	require.NoError(t, os.WriteFile(lifePage, []byte(page), 0o600))
}

func fileOf(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(transcripts, name+".txt"))
	require.NoError(t, err)
	return string(text)
}
