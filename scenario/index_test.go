package scenario_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestIndex: docs/scenarios.md lists each test of a scenario, of every package, with its file, and
// nothing else.
func TestIndex(t *testing.T) {
	const root = ".."
	page, err := os.ReadFile(filepath.Join(root, "docs", "scenarios.md"))
	require.NoError(t, err)
	listed, declared := listedTests(t, string(page)), declaredTests(t, root)
	require.Greater(t, len(declared), 200)
	for test := range declared {
		assert.True(t, listed[test], "docs/scenarios.md does not list %s", test)
	}
	for test := range listed {
		assert.True(t, declared[test], "docs/scenarios.md lists %s, which does not exist", test)
	}
}

var (
	indexSection = regexp.MustCompile(`(?m)^### (\d\d)\. .+$`)
	indexEntry   = regexp.MustCompile("(?m)^- `([^`]+)` \\([^)]+\\): ((?:`\\w+`,?\\s+)+)")
	indexName    = regexp.MustCompile("`(\\w+)`")
	scenarioTest = regexp.MustCompile(`(?m)^func (TestScenario\w*)\(`)
)

// listedTests returns the tests of the index, each as its file and its name.
func listedTests(t *testing.T, page string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	sections := indexSection.FindAllStringSubmatchIndex(page, -1)
	for i, at := range sections {
		end := len(page)
		if i+1 < len(sections) {
			end = sections[i+1][0]
		}
		number, text := page[at[2]:at[3]], page[at[1]:end]
		entries := indexEntry.FindAllStringSubmatch(text, -1)
		require.Len(t, entries, strings.Count(text, "\n- "), "scenario %s has an entry of another form", number)
		for _, entry := range entries {
			for _, name := range indexName.FindAllStringSubmatch(entry[2], -1) {
				test := fmt.Sprintf("%s: TestScenario%s_%s", entry[1], number, name[1])
				require.False(t, all[test], "%s is listed twice", test)
				all[test] = true
			}
		}
	}
	return all
}

// declaredTests returns the tests of scenarios that the files below root declare.
func declaredTests(t *testing.T, root string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || len(d.Name()) > 2 && d.Name()[0] == '.'):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, path)
		for _, f := range scenarioTest.FindAllSubmatch(source, -1) {
			all[filepath.ToSlash(below)+": "+string(f[1])] = true
		}
		return err
	}))
	return all
}
