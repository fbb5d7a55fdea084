package gentask

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestArchitecture_TheWalkIsAsTheCodeIs: each function that docs/architecture.md names on the way
// of a delivery is in the file that it names.
func TestArchitecture_TheWalkIsAsTheCodeIs(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	require.NoError(t, err)
	_, walk, _ := strings.Cut(string(page), "## Follow a delivery")
	walk, _, _ = strings.Cut(walk, "\n## ")
	places := regexp.MustCompile("`(?:([a-z_/]+\\.go): )?([A-Za-z]+)`")
	file, seen := "", 0
	for row := range strings.Lines(walk) {
		if !strings.HasPrefix(row, "|") {
			continue
		}
		for _, place := range places.FindAllStringSubmatch(row[strings.LastIndex(strings.TrimRight(row, "|\n "), "|"):], -1) {
			if place[1] != "" {
				file = place[1]
			}
			require.Contains(t, functionsOf(t, file), place[2], "in %s", file)
			seen++
		}
	}
	require.Greater(t, seen, 15)
}

func functionsOf(t *testing.T, file string) (names []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(file), nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			names = append(names, f.Name.Name)
		}
	}
	return names
}
