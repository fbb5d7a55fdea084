package main

import (
	"fmt"
	"go/types"
	"iter"
	"maps"
	"slices"

	"golang.org/x/tools/go/packages"
)

// typeSize is how large a named type is. Promoted fields and methods are not counted.
type typeSize struct {
	files   []string // that declare methods, sorted
	methods int
	fields  int
}

func measure(pkg *packages.Package, name string) (typeSize, error) {
	obj, ok := pkg.Types.Scope().Lookup(name).(*types.TypeName)
	if !ok {
		return typeSize{}, fmt.Errorf("no type %s in package %s", name, pkg.PkgPath)
	}
	files, size := map[string]bool{}, typeSize{}
	for m := range methods(obj) {
		files[fileOf(pkg, m.Pos())] = true
		size.methods++
	}
	for range fields(obj) {
		size.fields++
	}
	size.files = slices.Sorted(maps.Keys(files))
	return size, nil
}

// methods yields the methods that the type declares, those of an interface included. An alias
// declares none.
func methods(obj *types.TypeName) iter.Seq[*types.Func] {
	return func(yield func(*types.Func) bool) {
		named, ok := obj.Type().(*types.Named)
		if !ok || obj.IsAlias() {
			return
		}
		for m := range named.Methods() {
			if !yield(m) {
				return
			}
		}
		i, ok := named.Underlying().(*types.Interface)
		if !ok {
			return
		}
		for m := range i.ExplicitMethods() {
			if !yield(m) {
				return
			}
		}
	}
}

// fields yields the fields of a struct type. An alias has none of its own.
func fields(obj *types.TypeName) iter.Seq[*types.Var] {
	return func(yield func(*types.Var) bool) {
		s, ok := obj.Type().Underlying().(*types.Struct)
		if !ok || obj.IsAlias() {
			return
		}
		for f := range s.Fields() {
			if !yield(f) {
				return
			}
		}
	}
}

// countExported returns the number of exported functions, types, constants and variables, and of
// the exported fields and methods that exported types declare.
func countExported(pkg *types.Package) int {
	n := 0
	for _, name := range pkg.Scope().Names() {
		obj := pkg.Scope().Lookup(name)
		if !obj.Exported() {
			continue
		}
		n++
		if t, ok := obj.(*types.TypeName); ok {
			n += exportedMembers(t)
		}
	}
	return n
}

func exportedMembers(obj *types.TypeName) int {
	n := 0
	for m := range methods(obj) {
		if m.Exported() {
			n++
		}
	}
	for f := range fields(obj) {
		if f.Exported() {
			n++
		}
	}
	return n
}
