package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
)

// switchSource is the file that each package with mutants gets.
//
//go:embed switch.go.txt
var switchSource string

// code is the files of the core and their mutants.
type code struct {
	dir     string
	mutants []*mutant
	texts   map[string]string // the absolute path of a file, and its text with all mutants
}

// load reads the files, which are named below dir, and plants mutants in them.
func load(dir string, files []string) (*code, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	pkgs, err := loadPackages(dir, files)
	if err != nil {
		return nil, err
	}
	c := &code{dir: dir, texts: map[string]string{}}
	k, id := keys{}, 0
	next := func() int { id++; return id }
	for _, name := range files {
		if err := c.plant(pkgs, name, k, next); err != nil {
			return nil, err
		}
	}
	for path, text := range c.texts {
		if filepath.Base(path) == switchName {
			c.texts[path] = strings.ReplaceAll(text, "LIMIT", strconv.Itoa(id+1))
		}
	}
	return c, nil
}

func loadPackages(dir string, files []string) ([]*packages.Package, error) {
	var dirs []string
	for _, name := range files {
		dirs = append(dirs, "./"+filepath.Dir(name))
	}
	slices.Sort(dirs)
	pkgs, err := packages.Load(&packages.Config{
		Dir: dir,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo,
	}, slices.Compact(dirs)...)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", dir, err)
	}
	for _, pkg := range pkgs {
		if len(pkg.Errors) > 0 {
			return nil, fmt.Errorf("load %s: %w", pkg.PkgPath, pkg.Errors[0])
		}
	}
	return pkgs, nil
}

// switchName is the name of the file with switchSource.
const switchName = "mutant_switch.go"

// plant plants the mutants of one file.
func (c *code) plant(pkgs []*packages.Package, name string, k keys, next func() int) error {
	path := filepath.Join(c.dir, name)
	for _, pkg := range pkgs {
		i := slices.Index(pkg.CompiledGoFiles, path)
		if i < 0 {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file := pkg.Syntax[i]
		p := &planter{
			name: name, src: string(src), base: file.FileStart, info: pkg.TypesInfo, keys: k, next: next,
		}
		c.mutants = append(c.mutants, p.plant(file)...)
		c.texts[path] = p.edits.apply(p.src)
		c.texts[filepath.Join(filepath.Dir(path), switchName)] = strings.ReplaceAll(switchSource, "PACKAGE", pkg.Name)
		return nil
	}
	return fmt.Errorf("%s is in no package, or does not exist", name)
}

// overlay writes the texts to dir, and returns the path of a file for go test -overlay.
func (c *code) overlay(dir string) (string, error) {
	replace := map[string]string{}
	for path, text := range c.texts {
		below, err := filepath.Rel(c.dir, path)
		if err != nil {
			return "", err
		}
		to := filepath.Join(dir, "source", below)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return "", err
		}
		replace[path] = to
	}
	text, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "\t")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o644)
}
