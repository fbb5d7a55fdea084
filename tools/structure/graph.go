package main

import (
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"

	"golang.org/x/tools/go/packages"
)

// graph maps each file of a package to the other files that it refers to.
type graph map[string]map[string]bool

func newGraph(pkg *packages.Package) graph {
	g := graph{}
	for _, f := range pkg.Syntax {
		g[fileOf(pkg, f.Pos())] = map[string]bool{}
	}
	for id, obj := range pkg.TypesInfo.Uses {
		if obj.Pkg() != pkg.Types {
			continue
		}
		from, to := fileOf(pkg, id.Pos()), fileOf(pkg, declared(obj).Pos())
		if from != to {
			g[from][to] = true
		}
	}
	return g
}

// declared returns the object in the source: a field or method of an instantiated type is a copy.
func declared(obj types.Object) types.Object {
	switch obj := obj.(type) {
	case *types.Func:
		return obj.Origin()
	case *types.Var:
		return obj.Origin()
	}
	return obj
}

func fileOf(pkg *packages.Package, pos token.Pos) string {
	return filepath.Base(pkg.Fset.File(pos).Name())
}

func (g graph) files() []string { return slices.Sorted(maps.Keys(g)) }

func (g graph) edges() int {
	n := 0
	for _, to := range g {
		n += len(to)
	}
	return n
}

// pairs returns the mutual pairs, sorted.
func (g graph) pairs() []string {
	var pairs []string
	for _, a := range g.files() {
		for _, b := range g.files() {
			if a < b && g[a][b] && g[b][a] {
				pairs = append(pairs, a+" <-> "+b)
			}
		}
	}
	return pairs
}

// circle returns the files of the largest strongly connected component, sorted. It is empty if no
// two files reach each other.
func (g graph) circle() []string {
	reach := map[string]map[string]bool{}
	for file := range g {
		reach[file] = map[string]bool{}
		g.walk(file, reach[file])
	}
	var largest []string
	for _, a := range g.files() {
		var circle []string
		for _, b := range g.files() {
			if reach[a][b] && reach[b][a] {
				circle = append(circle, b)
			}
		}
		if len(circle) > len(largest) {
			largest = circle
		}
	}
	return largest
}

// walk adds all files that from reaches to seen.
func (g graph) walk(from string, seen map[string]bool) {
	for to := range g[from] {
		if !seen[to] {
			seen[to] = true
			g.walk(to, seen)
		}
	}
}
