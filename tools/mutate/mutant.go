package main

import (
	"fmt"
	"strings"
)

// operator is a kind of mistake.
type operator string

const (
	opNever    operator = "never"    // a condition is false, after it was evaluated
	opAlways   operator = "always"   // a condition is true, after it was evaluated
	opBoundary operator = "boundary" // < is <=, > is >=, and the reverse
	opRemove   operator = "remove"   // a statement is left out
	opReturn   operator = "return"   // a constant result is the other one
	opSign     operator = "sign"     // + is -, and the reverse
)

// mutant is one mistake at one place.
type mutant struct {
	id      int // from 1; an environment variable selects it
	key     string
	file    string // below the directory of the module
	outcome outcome
	stage   int    // in which it was killed
	killer  string // the tests that were run then
}

// outcome is what became of a mutant.
type outcome int

const (
	notRun outcome = iota
	killed
	survived
	notReached // no test runs the place: it survives
)

func (o outcome) String() string {
	return [...]string{"not run", "killed", "survived", "not reached"}[o]
}

// longestText is how much of the source a key shows.
const longestText = 70

// keys makes the keys of mutants. A key names file, function, operator and source, but no line, so
// that it outlives changes elsewhere.
type keys map[string]int

func (k keys) of(file, function string, op operator, source string) string {
	text := strings.Join(strings.Fields(source), " ")
	if runes := []rune(text); len(runes) > longestText {
		text = string(runes[:longestText-3]) + "..."
	}
	key := fmt.Sprintf("%s %s: %s: %s", file, function, op, text)
	k[key]++
	if n := k[key]; n > 1 {
		key = fmt.Sprintf("%s #%d", key, n)
	}
	return key
}

func (m *mutant) matches(text string) bool { return strings.Contains(m.key, text) }

// lives reports whether no test has seen the mutant.
func (m *mutant) lives() bool { return m.outcome == survived || m.outcome == notReached }
