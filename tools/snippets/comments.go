package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	// A call, a value or an instance of something of another package.
	uses      = regexp.MustCompile(`\b([a-z]\w*)\.[A-Z]\w*[({\[]`)
	directive = regexp.MustCompile(`^//snippets:(needs|fragment) (.*)$`)
)

// readComments returns the blocks of Go in the comments of all Go files but tests. A block is the
// lines that gofmt has indented by a tab. It is Go if it uses a package that blocks can name.
func readComments(root string) ([]block, []mistake, error) {
	var blocks []block
	var mistakes []mistake
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != root && (entry.Name()[0] == '.' || entry.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		found, bad, err := parseComments(filepath.ToSlash(file), path)
		blocks, mistakes = append(blocks, found...), append(mistakes, bad...)
		return err
	})
	return blocks, mistakes, err
}

// parseComments returns the blocks of one file of Go.
func parseComments(file, path string) (blocks []block, mistakes []mistake, err error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	for _, group := range parsed.Comments {
		found, notes := blocksOf(file, group, set)
		if len(found) == 0 {
			for _, n := range notes {
				mistakes = append(mistakes, mistake{file, n.line, "a comment for a block of Go, without one above it"})
			}
		}
		for i := range found {
			found[i].notes = notes
		}
		blocks = append(blocks, found...)
	}
	return blocks, mistakes, nil
}

// blocksOf returns the blocks of Go of one comment, and the notes for all of them.
func blocksOf(file string, group *ast.CommentGroup, set *token.FileSet) (blocks []block, notes []note) {
	var b block
	end := func() {
		if usesPackage(b.text) {
			blocks = append(blocks, b)
		}
		b = block{}
	}
	for _, one := range group.List {
		line := set.Position(one.Pos()).Line
		code, isCode := strings.CutPrefix(one.Text, "//\t")
		switch d := directive.FindStringSubmatch(one.Text); {
		case d != nil:
			notes = append(notes, note{line, d[1], d[2]})
		case isCode && b.text == "":
			b = block{file: file, line: line, language: "go", text: code + "\n"}
		case isCode:
			b.text += code + "\n"
		case one.Text == "//" && b.text != "":
			b.text += "\n" // code may go on behind it
		default:
			end()
		}
	}
	end()
	return blocks, notes
}

// usesPackage reports whether a text is Go that uses a package of ours or of others.
func usesPackage(text string) bool {
	for _, match := range uses.FindAllStringSubmatch(text, -1) {
		if _, known := packageNames[match[1]]; known {
			return true
		}
	}
	return false
}
