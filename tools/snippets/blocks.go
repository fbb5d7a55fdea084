package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// block is one block of code of a document.
type block struct {
	file     string // below the directory
	line     int    // of the first line of code
	language string
	text     string
	notes    []note // only of Go
}

// note is a comment for the block of Go below it.
type note struct {
	line int
	kind string // needs or fragment
	text string
}

// of returns the notes of one kind.
func (b block) of(kind string) []note {
	var all []note
	for _, n := range b.notes {
		if n.kind == kind {
			all = append(all, n)
		}
	}
	return all
}

// mistake is a line of the report.
type mistake struct {
	file string
	line int
	text string
}

func (m mistake) String() string { return fmt.Sprintf("%s:%d: %s", m.file, m.line, m.text) }

var (
	fence   = regexp.MustCompile("^( *)```(\\S*)")
	comment = regexp.MustCompile(`^ *<!-- (needs|fragment): (.*) -->$`)
)

// read returns the blocks of README.md, CONTRIBUTING.md and the Markdown files below docs. A
// comment that belongs to no block of Go is a mistake.
func read(root string) ([]block, []mistake, error) {
	var blocks []block
	var mistakes []mistake
	add := func(file string) error {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return err
		}
		found, bad := parse(file, string(text))
		blocks, mistakes = append(blocks, found...), append(mistakes, bad...)
		return nil
	}
	for _, file := range []string{"README.md", "CONTRIBUTING.md"} {
		if err := add(file); err != nil {
			return nil, nil, err
		}
	}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		file, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return add(filepath.ToSlash(file))
	})
	return blocks, mistakes, err
}

// parse returns the blocks of one document.
func parse(file, text string) ([]block, []mistake) {
	var blocks []block
	var mistakes []mistake
	var pending []note
	drop := func() {
		for _, n := range pending {
			mistakes = append(mistakes, mistake{file, n.line, "a comment for a block of Go, without one below it"})
		}
		pending = nil
	}
	lines := strings.Split(text, "\n")
	for n := 0; n < len(lines); n++ {
		if open := fence.FindStringSubmatch(lines[n]); open != nil {
			b := block{file: file, line: n + 2, language: open[2]}
			n, b.text = code(lines, n+1, open[1])
			if b.language == "go" {
				b.notes, pending = pending, nil
			}
			drop()
			blocks = append(blocks, b)
		} else if c := comment.FindStringSubmatch(lines[n]); c != nil {
			pending = append(pending, note{n + 1, c[1], c[2]})
		} else if strings.TrimSpace(lines[n]) != "" {
			drop()
		}
	}
	drop()
	return blocks, mistakes
}

// code returns the number of the line that ends the block whose code begins in lines[from], and the
// code without its indentation.
func code(lines []string, from int, indent string) (int, string) {
	to := from
	for to < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[to]), "```") {
		to++
	}
	var text strings.Builder
	for _, line := range lines[from:to] {
		text.WriteString(strings.TrimPrefix(line, indent) + "\n")
	}
	return to, text.String()
}
