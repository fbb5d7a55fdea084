package main

import (
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// library is a public package.
type library struct {
	*doc.Package
	set     *token.FileSet
	imports map[string]string // paths by name
}

var (
	module = regexp.MustCompile(`(?m)^module (\S+)$`)
	// Directories without public packages.
	private = regexp.MustCompile(`^(\..+|internal|testdata|tools|bench|examples|scenario)$`)
	major   = regexp.MustCompile(`/v\d+$`)
)

// findPackages finds the public packages. Each module must have the path of the root module and
// that of its directory.
func (s *site) findPackages() error {
	mod, err := fs.ReadFile(s.tree, "go.mod")
	if err != nil {
		return err
	}
	s.module, s.packages = string(module.FindSubmatch(mod)[1]), map[string]*library{}
	return fs.WalkDir(s.tree, ".", func(dir string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || !entry.IsDir():
			return err
		case private.MatchString(entry.Name()):
			return fs.SkipDir
		}
		l, err := readPackage(s.tree, dir, path.Join(s.module, dir))
		if l != nil {
			s.packages[dir] = l
		}
		return err
	})
}

// readPackage returns nil if the directory has no package that others can import.
func readPackage(tree fs.FS, dir, importPath string) (*library, error) {
	names, err := fs.Glob(tree, path.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	linux := build.Default
	linux.GOOS, linux.JoinPath = "linux", path.Join
	linux.OpenFile = func(name string) (io.ReadCloser, error) { return tree.Open(name) }
	l := &library{set: token.NewFileSet(), imports: map[string]string{}}
	var files []*ast.File
	importable := false
	for _, name := range names {
		if fits, err := linux.MatchFile(path.Split(name)); err != nil || !fits {
			continue // for another system, or not Go
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(l.set, name, text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
		if !strings.HasSuffix(name, "_test.go") {
			importable = file.Name.Name != "main"
			l.addImports(file)
		}
	}
	if !importable {
		return nil, nil
	}
	l.Package, err = doc.NewFromFiles(l.set, files, importPath)
	return l, err
}

func (l *library) addImports(file *ast.File) {
	for _, spec := range file.Imports {
		to, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
		name := path.Base(major.ReplaceAllString(to, ""))
		if spec.Name != nil {
			name = spec.Name.Name
		}
		l.imports[name] = to
	}
}
