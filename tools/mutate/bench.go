package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bench is the built test binaries, and the tests of each stage.
type bench struct {
	dir      string // of the module
	work     string // the directory of this run, for what no other run may touch
	stages   []*stage
	measured measured
}

// binary is the tests of a package, with all mutants.
type binary struct {
	dir  string // of the package, where the tests run
	path string
	hash string
}

// newBench builds the binaries, and runs each test alone, without a mutant, to see what it reaches.
// The caller must close the bench, even after an error.
func newBench(ctx context.Context, o options, p plan, c *code) (*bench, error) {
	b := &bench{dir: c.dir}
	shared, err := filepath.Abs(o.work)
	if err != nil {
		return b, err
	}
	if err := os.MkdirAll(shared, 0o755); err != nil {
		return b, err
	}
	if b.work, err = os.MkdirTemp(shared, "run"); err != nil {
		return b, err
	}
	overlay, err := c.overlay(b.work)
	if err != nil {
		return b, err
	}
	memory := filepath.Join(shared, "measured.json")
	if b.measured, err = readMeasured(memory); err != nil {
		return b, err
	}
	built := map[string]*binary{}
	for _, one := range p {
		for _, pkg := range one.packages {
			if built[pkg] != nil {
				continue
			}
			if built[pkg], err = b.build(ctx, pkg, overlay); err != nil {
				return b, err
			}
		}
	}
	for _, one := range p {
		s, err := b.prepare(ctx, one, built)
		if err != nil {
			return b, errors.Join(err, b.measured.write(memory, built))
		}
		b.stages = append(b.stages, s)
	}
	return b, b.measured.write(memory, built)
}

// close removes the directory of the run.
func (b *bench) close() { _ = os.RemoveAll(b.work) }

func (b *bench) build(ctx context.Context, pkg, overlay string) (*binary, error) {
	name := strings.ReplaceAll(filepath.Clean(pkg), string(filepath.Separator), "-")
	bin := &binary{dir: filepath.Join(b.dir, pkg), path: filepath.Join(b.work, "test-"+name)}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", bin.path, "./"+pkg)
	cmd.Dir = b.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the tests of %s: %w\n%s", pkg, err, out)
	}
	var err error
	bin.hash, err = hashOf(bin.path)
	return bin, err
}

// prepare lists and measures the tests of a stage.
func (b *bench) prepare(ctx context.Context, line stageLine, built map[string]*binary) (*stage, error) {
	s := &stage{stageLine: line}
	for _, pkg := range line.packages {
		bin := built[pkg]
		out, err := b.command(ctx, bin, "-test.list", ".").Output()
		if err != nil {
			return nil, fmt.Errorf("list the tests of %s: %w", pkg, err)
		}
		left, err := testsIn(bin.dir, line.skipFiles)
		if err != nil {
			return nil, err
		}
		for _, name := range strings.Fields(string(out)) {
			if left[name] || !line.wants(name) || b.inStage(bin, name, line.env) {
				continue
			}
			t := &test{binary: bin, name: name}
			if err := b.measure(ctx, s, t); err != nil {
				return nil, err
			}
			if line.most == 0 || t.Cost <= line.most {
				s.tests = append(s.tests, t)
			}
		}
	}
	return s, nil
}

// inStage reports whether an earlier stage has the test.
func (b *bench) inStage(bin *binary, name string, env []string) bool {
	return slices.ContainsFunc(b.stages, func(s *stage) bool {
		return slices.Equal(s.env, env) && slices.ContainsFunc(s.tests, func(t *test) bool {
			return t.binary == bin && t.name == name
		})
	})
}

// memory bounds a process: a mutant may allocate without end. In KiB.
const memory = 4 << 20

// command returns a command that runs a binary in its package's directory.
func (*bench) command(ctx context.Context, bin *binary, args ...string) *exec.Cmd {
	args = append([]string{"-c", fmt.Sprintf(`ulimit -v %d; exec "$0" "$@"`, memory), bin.path}, args...)
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.Dir = bin.dir
	cmd.WaitDelay = time.Second
	return cmd
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// fails reports whether a test fails with the mutant, and which.
func (b *bench) fails(ctx context.Context, s *stage, bin *binary, tests []*test, m *mutant) (killer string, fails bool) {
	limit := 10 * time.Second
	names := make([]string, len(tests))
	for i, t := range tests {
		names[i] = t.name
		limit += 5 * t.Cost
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := b.command(ctx, bin, "-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$")
	cmd.Env = append(s.environment(), "GENTASK_MUTANT="+strconv.Itoa(m.id))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	switch found := failed.FindSubmatch(out.Bytes()); {
	case err == nil:
		return "", false
	case ctx.Err() != nil:
		return "does not end", true
	case found != nil:
		return string(found[1]), true
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	return line, true
}

// runAll runs the mutants, some at a time.
func (b *bench) runAll(ctx context.Context, mutants []*mutant, workers int, out io.Writer) {
	todo, done := make(chan *mutant), make(chan *mutant)
	go func() {
		defer close(todo)
		for _, m := range mutants {
			todo <- m
		}
	}()
	for range workers {
		go func() {
			for m := range todo {
				if ctx.Err() == nil {
					b.run(ctx, m)
				}
				done <- m
			}
		}()
	}
	for range mutants {
		if m := <-done; m.lives() {
			fmt.Fprintf(out, "%s: %s\n", m.outcome, m.key)
		}
	}
}

// run runs the stages, until a test fails.
func (b *bench) run(ctx context.Context, m *mutant) {
	m.outcome = notReached
	for i, s := range b.stages {
		for bin, tests := range s.reaching(m.id) {
			killer, fails := b.fails(ctx, s, bin, tests, m)
			if ctx.Err() != nil {
				m.outcome = notRun
				return
			}
			if fails {
				m.outcome, m.stage, m.killer = killed, i, killer
				return
			}
			m.outcome = survived
		}
	}
}
