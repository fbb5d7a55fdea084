// Command mutate plants small mistakes in the core of the library, one at a time, and runs the
// tests against each. A mistake that no test sees, a survivor, shows what the tests don't check.
//
// All mutants are compiled into the test binaries together, each behind a condition, and an
// environment variable switches one of them on. So a mutant costs the run of some tests, and no
// build.
//
// The files of the core are listed in files.txt. survivors.txt lists the survivors that were
// argued, each with a reason. A survivor that is not listed there is an error, and so is a line of
// that file that names no mutant of the code. A mutant that no test reaches survives as well.
//
// Usage:
//
//	mutate [flags] [file of the core ...]
//
// Files limit the run to their mutants. -check compares survivors.txt with the code, and runs
// nothing. Several runs may share a directory for their results: the last one to end writes them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// options are the parsed command line.
type options struct {
	dir     string // of the module
	config  string // directory of files.txt, tests.txt and survivors.txt
	check   bool
	list    bool
	match   string // a part of the key
	keys    string // file with keys
	workers int
	work    string // directory for binaries and results
	only    []string
}

func parse(args []string) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", ".", "`directory` of the module")
	flags.StringVar(&o.config, "config", "mutate", "`directory` of files.txt, tests.txt and survivors.txt")
	flags.BoolVar(&o.check, "check", false, "compare survivors.txt with the code, and run nothing")
	flags.BoolVar(&o.list, "list", false, "list the mutants, and run nothing")
	flags.StringVar(&o.match, "match", "", "run only mutants whose key contains `text`")
	flags.StringVar(&o.keys, "keys", "", "run only mutants whose keys are lines of the `file`")
	flags.IntVar(&o.workers, "workers", 2, "`number` of mutants that are run at a time")
	flags.StringVar(&o.work, "work", "", "`directory` for binaries and results; by default a temporary one")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if o.workers < 1 {
		return options{}, fmt.Errorf("-workers=%d: want at least 1", o.workers)
	}
	o.only = flags.Args()
	return o, nil
}

// run prints the figures, and the survivors, to out.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	files, err := readLines(filepath.Join(o.config, "files.txt"))
	if err != nil {
		return err
	}
	for _, name := range o.only {
		if !slices.Contains(files, name) {
			return fmt.Errorf("%s is not in files.txt", name)
		}
	}
	argued, err := readArgued(filepath.Join(o.config, "survivors.txt"))
	if err != nil {
		return err
	}
	code, err := load(o.dir, files)
	if err != nil {
		return err
	}
	if err := argued.check(code.mutants); err != nil || o.check {
		return err
	}
	chosen, err := o.choose(code.mutants)
	if err != nil {
		return err
	}
	if o.list {
		for _, m := range chosen {
			fmt.Fprintln(out, m.key)
		}
		return nil
	}
	return runAll(ctx, o, code, chosen, argued, out)
}

// runAll runs the chosen mutants, and returns an error if one survives without an argument.
func runAll(ctx context.Context, o options, code *code, chosen []*mutant, argued argued, out io.Writer) error {
	if o.work == "" {
		dir, err := os.MkdirTemp("", "mutate")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		o.work = dir
	}
	plan, err := readPlan(filepath.Join(o.config, "tests.txt"))
	if err != nil {
		return err
	}
	b, err := newBench(ctx, o, plan, code)
	defer b.close()
	if err != nil {
		return err
	}
	b.runAll(ctx, chosen, o.workers, out)
	if err := ctx.Err(); err != nil {
		return err
	}
	r := newReport(chosen, argued)
	r.print(out, plan)
	return errors.Join(r.write(filepath.Join(o.work, "results.txt")), r.err())
}

// choose returns the mutants that the command line asks for.
func (o options) choose(mutants []*mutant) ([]*mutant, error) {
	var keys []string
	if o.keys != "" {
		text, err := os.ReadFile(o.keys)
		if err != nil {
			return nil, err
		}
		keys = strings.Split(string(text), "\n")
	}
	return slices.DeleteFunc(slices.Clone(mutants), func(m *mutant) bool {
		return len(o.only) > 0 && !slices.Contains(o.only, m.file) || !m.matches(o.match) ||
			o.keys != "" && !slices.Contains(keys, m.key)
	}), nil
}
