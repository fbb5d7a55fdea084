package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/isolate"
)

func main() {
	isolate.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if what := os.Getenv(holdEnv); what != "" {
		err = hold(ctx, what)
	} else {
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// run is the command: figures go to out, progress to progress. It returns errors that wrap
// ErrMissed or ErrUnmeasured, joined, if not every target was reached.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	name := flags.String("suite", "kernel", "which suite: "+suiteNames()+"; or all, but for load and soak")
	pairs := flags.Int("pairs", 5, "how often both sides run, the warm-up not counted")
	asJSON := flags.Bool("json", false, "print JSON lines instead of tables")
	var o options
	flags.IntVar(&o.jobs, "jobs", 0, "so many jobs in a trial, where the case is not about their number; 0 for what each suite has")
	flags.BoolVar(&o.quick, "quick", false, "a handful of jobs: to see that it works, not how fast")
	flags.IntVar(&o.rate, "rate", 0, "of load and soak: publish at most so many jobs a second; 0 for what each suite has")
	flags.DurationVar(&o.lasts, "for", time.Hour, "how long soak lasts")
	profiles := flags.String("profile", "",
		"write profiles of our side to this directory, of load and soak the heap early and late; the figures are then no results")
	only := flags.String("case", "", "only the cases whose name or peer contains this")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*name)
	switch {
	case err != nil:
		return err
	case *pairs < 1:
		return fmt.Errorf("-pairs is %d; want 1 or more, 5 for a result", *pairs)
	case o.jobs < 0:
		return fmt.Errorf("-jobs is %d; want 0 for what each suite has, or more", o.jobs)
	case o.rate < 0:
		return fmt.Errorf("-rate is %d; want 0 for what each suite has, or more", o.rate)
	case o.lasts < leastSoak:
		return fmt.Errorf("-for is %v; want %v at least, an hour for a result", o.lasts, leastSoak)
	case flags.NArg() > 0:
		return fmt.Errorf("%q is no flag; want -suite NAME", flags.Arg(0))
	}
	r := &runner{pairs: *pairs, progress: progress, profiles: *profiles}
	show := tables
	if *asJSON {
		show = jsonLines
	}
	var missed []error
	for _, s := range chosen {
		lines, errs := r.suite(ctx, s, o, *only)
		missed = append(missed, errs...)
		if err := show(out, lines); err != nil {
			return err
		}
	}
	return errors.Join(missed...)
}

func suiteNames() string {
	var names []string
	for _, s := range suites() {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

func choose(name string) (chosen []suite, err error) {
	for _, s := range suites() {
		if s.name == name || (name == "all" && !s.long) {
			chosen = append(chosen, s)
		}
	}
	if chosen == nil {
		return nil, fmt.Errorf("-suite is %q; want one of %s, or all", name, suiteNames())
	}
	return chosen, nil
}

// suite runs the cases of s, and returns an error for each that could not be measured and each
// missed target. A case that fails does not keep the others from being measured.
func (r *runner) suite(ctx context.Context, s suite, o options, only string) (lines []result.Line, failed []error) {
	for _, m := range s.of(o) {
		_, name, peer := m.names()
		if !strings.Contains(name, only) && !strings.Contains(peer, only) {
			continue
		}
		if ctx.Err() != nil {
			return lines, append(failed, context.Cause(ctx))
		}
		of, err := m.measure(ctx, r)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s %s against %s: %w: %w", s.name, name, peer, ErrUnmeasured, err))
		}
		lines = append(lines, of...)
		for _, l := range of {
			if !l.OK {
				failed = append(failed, fmt.Errorf("%s %s against %s: %w: %s %.2f, want %.2f", l.Suite, l.Case, l.Peer, ErrMissed,
					l.Unit, l.Ratio, *l.Target))
			}
		}
	}
	return lines, failed
}

func jsonLines(out io.Writer, lines []result.Line) error {
	e := json.NewEncoder(out)
	for _, l := range lines {
		if err := e.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

// env is a setting of the environment.
func env(name, byDefault string) string { return cmp.Or(os.Getenv(name), byDefault) }
