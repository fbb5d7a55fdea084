package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"golang.org/x/tools/go/packages"
)

// unused finds errors that are no mistakes of a block.
var unused = regexp.MustCompile(`^declared and not used: |^".*" imported (as \w+ )?and not used|is not used$`)

// compile parses and type-checks all blocks of Go that are no fragments.
func compile(root string, blocks []block) ([]mistake, error) {
	c := compiler{root: root, set: token.NewFileSet()}
	var files []*ast.File
	paths := map[string]bool{}
	for _, b := range blocks {
		if b.language != "go" || len(b.of("fragment")) > 0 {
			continue
		}
		file := c.parse(b)
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
			paths[path] = true
		}
		files = append(files, file)
	}
	imports, err := load(root, slices.Sorted(maps.Keys(paths)))
	if err != nil {
		return nil, err
	}
	config := types.Config{Importer: imports, Error: c.report}
	for _, file := range files {
		_, _ = config.Check("snippet", c.set, []*ast.File{file}, nil) // report has the errors
	}
	return c.mistakes, nil
}

// compiler collects the mistakes of blocks.
type compiler struct {
	root     string
	set      *token.FileSet
	mistakes []mistake
}

// parse returns the file of a block. A block that is no Go is an empty file.
func (c *compiler) parse(b block) *ast.File {
	path := filepath.Join(c.root, filepath.FromSlash(b.file))
	source, err := b.source(path)
	if err == nil {
		var file *ast.File
		if file, err = parser.ParseFile(c.set, path, source, parser.SkipObjectResolution); err == nil {
			return file
		}
	}
	c.report(err)
	return &ast.File{Name: ast.NewIdent("snippet")}
}

// report adds an error, unless it is about something that is not used.
func (c *compiler) report(err error) {
	var syntax scanner.ErrorList
	var wrong types.Error
	switch {
	case errors.As(err, &syntax):
		c.add(syntax[0].Pos, syntax[0].Msg)
	case errors.As(err, &wrong) && !unused.MatchString(wrong.Msg):
		c.add(c.set.Position(wrong.Pos), wrong.Msg)
	}
}

func (c *compiler) add(at token.Position, text string) {
	file, err := filepath.Rel(c.root, at.Filename)
	if err != nil {
		file = at.Filename
	}
	c.mistakes = append(c.mistakes, mistake{filepath.ToSlash(file), at.Line, text})
}

// importer has the packages that blocks import.
type importer map[string]*packages.Package

// Import returns an error for a package that does not exist or does not compile.
func (i importer) Import(path string) (*types.Package, error) {
	pkg := i[path]
	if pkg == nil {
		return nil, fmt.Errorf("no package %s", path)
	}
	if len(pkg.Errors) > 0 {
		return nil, pkg.Errors[0]
	}
	return pkg.Types, nil
}

// load returns the packages of a workspace of all modules.
func load(root string, paths []string) (_ importer, err error) {
	if len(paths) == 0 {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "snippets")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	text, err := workspace(root)
	if err != nil {
		return nil, err
	}
	work := filepath.Join(dir, "go.work")
	if err := os.WriteFile(work, []byte(text), 0o600); err != nil {
		return nil, err
	}
	loaded, err := packages.Load(&packages.Config{
		Dir:  root,
		Env:  append(os.Environ(), "GOWORK="+work),
		Mode: packages.NeedName | packages.NeedImports | packages.NeedTypes,
	}, paths...)
	if err != nil {
		return nil, fmt.Errorf("load the packages that blocks name: %w", err)
	}
	imports := importer{}
	for _, pkg := range loaded {
		imports[pkg.PkgPath] = pkg
	}
	return imports, nil
}

var goLine = regexp.MustCompile(`(?m)^go .*$`)

// workspace returns the text of a go.work file.
func workspace(root string) (string, error) {
	main, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", err
	}
	text := string(goLine.Find(main)) + "\n"
	for _, module := range modules {
		path := filepath.Join(root, filepath.FromSlash(module))
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
			text += fmt.Sprintf("use %q\n", path)
		}
	}
	return text, nil
}
