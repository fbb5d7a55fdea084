// Command structure measures how the files of a Go package depend on each other, and checks the
// figures against upper bounds.
//
// The nodes of its graph are the files of one package, without tests. File A has an edge to file B
// if A refers to a function, type, variable, constant, method or field that B declares. Two files
// with edges in both directions are a mutual pair. A circle is a set of files each of which reaches
// all others.
//
// It also checks that no package below internal/ imports the root package of the module. The exit
// status is 1 if a bound is broken.
//
// Usage:
//
//	structure [flags] [package directory, by default the root of the module]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "structure:", err)
		os.Exit(1)
	}
}

// options are the parsed command line.
type options struct {
	dir       string // of the module
	pkg       string // below dir
	verbose   bool
	exported  bool
	maxPairs  int // -1 for no bound
	maxCircle int // -1 for no bound
	types     []typeBound
	exempt    []string // packages below internal/ that may import the root package
}

// typeBound limits the number of files that declare methods of the type.
type typeBound struct {
	name  string
	files int // -1 for no bound
}

// parse returns an error that names the flag if one is malformed.
func parse(args []string) (options, error) {
	o := options{pkg: "."}
	flags := flag.NewFlagSet("structure", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", ".", "`directory` of the module")
	flags.BoolVar(&o.verbose, "v", false, "list the pairs, the files of the largest circle and the files of the types")
	flags.BoolVar(&o.exported, "exported", false,
		"count the exported identifiers of the packages that are not internal")
	flags.IntVar(&o.maxPairs, "max-pairs", -1, "upper bound of mutual pairs")
	flags.IntVar(&o.maxCircle, "max-circle", -1, "upper bound of files in the largest circle")
	const typeUsage = "measure the type `NAME[=FILES]`: FILES is an upper bound of files that declare its methods; repeatable"
	flags.Func("type", typeUsage, func(s string) error {
		b, err := parseType(s)
		o.types = append(o.types, b)
		return err
	})
	flags.Func("exempt", "`package` below internal/ that may import the root package; repeatable", func(s string) error {
		o.exempt = append(o.exempt, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	switch flags.NArg() {
	case 0:
	case 1:
		o.pkg = flags.Arg(0)
	default:
		return options{}, fmt.Errorf("one package at most, not %q", flags.Args())
	}
	return o, nil
}

func parseType(s string) (typeBound, error) {
	name, most, bounded := strings.Cut(s, "=")
	if !bounded {
		return typeBound{name, -1}, nil
	}
	files, err := strconv.Atoi(most)
	if err != nil || files < 0 {
		return typeBound{}, fmt.Errorf("a type is NAME or NAME=FILES, with a number of files, not %q", s)
	}
	return typeBound{name, files}, nil
}

// run prints the figures to out. The error joins one for each broken bound.
func run(args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	m, err := load(o.dir)
	if err != nil {
		return err
	}
	pkg, err := m.find(o.pkg)
	if err != nil {
		return err
	}
	r := report{out: out, verbose: o.verbose}
	r.graph(newGraph(pkg), o)
	for _, b := range o.types {
		r.namedType(pkg, b)
	}
	r.importsOfRoot(m, o.exempt)
	if o.exported {
		r.exported(m)
	}
	return errors.Join(r.broken...)
}
