// Command markdown wraps the prose of README.md and of the Markdown files in docs at 100 columns.
// It prints the names of the files that it has changed. Its test checks the width, the relative
// links and the index of the decisions.
//
// Usage:
//
//	markdown [-dir directory of README.md and docs, by default the current one]
package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	dir := flag.String("dir", ".", "the directory with README.md and docs")
	flag.Parse()
	if err := wrap(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "markdown:", err)
		os.Exit(1)
	}
}

// wrap rewrites each file of the documentation that has prose beyond the width.
func wrap(dir string) error {
	files, err := documents(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		lines, err := read(file)
		if err != nil {
			return err
		}
		text := wrapped(lines)
		if slices.Equal(lines, text) {
			continue
		}
		if err := os.WriteFile(file, []byte(strings.Join(text, "\n")), 0o644); err != nil {
			return err
		}
		fmt.Println(file)
	}
	return nil
}

// documents returns README.md and the Markdown files below docs.
func documents(dir string) ([]string, error) {
	files := []string{filepath.Join(dir, "README.md")}
	err := filepath.WalkDir(filepath.Join(dir, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	})
	return files, err
}
