package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// plan is the stages in which a mutant meets the tests, as tests.txt has them.
type plan []stageLine

// stageLine is a stage of the plan.
type stageLine struct {
	name      string
	packages  []string // their directories below the module's
	only      *regexp.Regexp
	skip      *regexp.Regexp
	skipFiles string        // a pattern of files whose tests are left out
	most      time.Duration // what a test may cost; zero for any
	env       []string
}

// stage is a stage with its tests.
type stage struct {
	stageLine
	tests []*test
}

// readPlan reads the stages, one a line: a name, and then words of the form option=value.
func readPlan(path string) (plan, error) {
	lines, err := readLines(path)
	if err != nil {
		return nil, err
	}
	var p plan
	for _, line := range lines {
		s, err := readStage(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", path, line, err)
		}
		p = append(p, s)
	}
	return p, nil
}

func readStage(words []string) (s stageLine, err error) {
	s.name = words[0]
	for _, word := range words[1:] {
		option, value, _ := strings.Cut(word, "=")
		switch option {
		case "packages":
			s.packages = strings.Split(value, ",")
		case "run":
			s.only, err = regexp.Compile(value)
		case "skip":
			s.skip, err = regexp.Compile(value)
		case "skip-files":
			s.skipFiles = value
		case "most":
			s.most, err = time.ParseDuration(value)
		case "env":
			s.env = append(s.env, value)
		default:
			err = fmt.Errorf("no option %q", option)
		}
		if err != nil {
			return s, err
		}
	}
	if len(s.packages) == 0 {
		return s, fmt.Errorf("no packages")
	}
	return s, nil
}

func (s *stageLine) wants(name string) bool {
	return !strings.HasPrefix(name, "Benchmark") && !strings.HasPrefix(name, "Fuzz") &&
		(s.only == nil || s.only.MatchString(name)) && (s.skip == nil || !s.skip.MatchString(name))
}

// environment is the environment of the stage's tests.
func (s *stageLine) environment() []string { return append(os.Environ(), s.env...) }

// reaching returns the tests that reach a mutant, for each binary.
func (s *stage) reaching(id int) map[*binary][]*test {
	found := map[*binary][]*test{}
	for _, t := range s.tests {
		if t.Reaches[id] {
			found[t.binary] = append(found[t.binary], t)
		}
	}
	return found
}

// testsIn returns the functions of the files in dir whose names match the pattern.
func testsIn(dir, pattern string) (map[string]bool, error) {
	found := map[string]bool{}
	if pattern == "" {
		return found, nil
	}
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				found[f.Name.Name] = true
			}
		}
	}
	return found, nil
}
