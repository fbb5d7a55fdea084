package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// module is all packages of a Go module, type-checked, in order of their paths.
type module struct {
	path     string
	packages []*packages.Package
}

// load reads the module in dir. A package that does not compile is an error.
func load(dir string) (module, error) {
	pkgs, err := packages.Load(&packages.Config{
		Dir: dir,
		Mode: packages.NeedName | packages.NeedModule | packages.NeedFiles | packages.NeedCompiledGoFiles |
			packages.NeedImports | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo,
	}, "./...")
	if err != nil {
		return module{}, fmt.Errorf("load %s: %w", dir, err)
	}
	if len(pkgs) == 0 || pkgs[0].Module == nil {
		return module{}, fmt.Errorf("load %s: no package of a module", dir)
	}
	for _, pkg := range pkgs {
		if len(pkg.Errors) > 0 {
			return module{}, fmt.Errorf("load %s: %w", pkg.PkgPath, pkg.Errors[0])
		}
	}
	slices.SortFunc(pkgs, func(a, b *packages.Package) int { return strings.Compare(a.PkgPath, b.PkgPath) })
	return module{pkgs[0].Module.Path, pkgs}, nil
}

// find returns the package in the directory below the module's.
func (m module) find(dir string) (*packages.Package, error) {
	for _, pkg := range m.packages {
		if m.short(pkg) == path.Clean(dir) {
			return pkg, nil
		}
	}
	return nil, fmt.Errorf("no package %s in module %s", dir, m.path)
}

// short returns the package's path below the module's, "." for the root.
func (m module) short(pkg *packages.Package) string {
	return path.Clean("./" + strings.TrimPrefix(pkg.PkgPath, m.path))
}
