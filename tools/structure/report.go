package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// report prints figures and collects the bounds that they break.
type report struct {
	out     io.Writer
	verbose bool
	broken  []error
}

// figure prints one line. A most below zero is no bound.
func (r *report) figure(name string, n, most int, flag string) {
	if most < 0 {
		fmt.Fprintf(r.out, "%-28s %4d\n", name, n)
		return
	}
	fmt.Fprintf(r.out, "%-28s %4d  at most %4d\n", name, n, most)
	if n > most {
		r.broken = append(r.broken, fmt.Errorf("%s: %d, which is %d more than %s allows", name, n, n-most, flag))
	}
}

func (r *report) list(lines []string) {
	if !r.verbose {
		return
	}
	for _, line := range lines {
		fmt.Fprintln(r.out, "   ", line)
	}
}

func (r *report) graph(g graph, o options) {
	pairs, circle := g.pairs(), g.circle()
	r.figure("files", len(g), -1, "")
	r.figure("edges", g.edges(), -1, "")
	r.figure("mutual pairs of files", len(pairs), o.maxPairs, fmt.Sprintf("-max-pairs %d", o.maxPairs))
	r.list(pairs)
	r.figure("files in the largest circle", len(circle), o.maxCircle, fmt.Sprintf("-max-circle %d", o.maxCircle))
	r.list(circle)
}

func (r *report) namedType(pkg *packages.Package, b typeBound) {
	t, err := measure(pkg, b.name)
	if err != nil {
		r.broken = append(r.broken, err)
		return
	}
	r.figure("files with methods of "+b.name, len(t.files), b.files, fmt.Sprintf("-type %s=%d", b.name, b.files))
	r.list(t.files)
	r.figure("methods of "+b.name, t.methods, -1, "")
	r.figure("fields of "+b.name, t.fields, -1, "")
}

// importsOfRoot breaks a bound for each package below internal/ that imports the root package,
// unless it is exempt.
func (r *report) importsOfRoot(m module, exempt []string) {
	for _, pkg := range m.packages {
		name := m.short(pkg)
		if !strings.HasPrefix(name, "internal/") || slices.Contains(exempt, name) {
			continue
		}
		if _, imports := pkg.Imports[m.path]; imports {
			r.broken = append(r.broken,
				fmt.Errorf("%s imports the root package: a package below internal/ must not", name))
		}
	}
}

func (r *report) exported(m module) {
	total := 0
	for _, pkg := range m.packages {
		if isInternal(pkg.PkgPath) || pkg.Name == "main" {
			continue
		}
		n := countExported(pkg.Types)
		total += n
		r.figure("exported in "+m.short(pkg), n, -1, "")
	}
	r.figure("exported in all", total, -1, "")
}

// isInternal reports whether the package can be imported by its own module only.
func isInternal(path string) bool {
	return slices.Contains(strings.Split(path, "/"), "internal")
}
