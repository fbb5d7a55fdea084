package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planted writes a module with the given body of its only file, and returns its mutants, by
// function, and the text with them, which compiles.
func planted(t *testing.T, body string) (mutants map[string][]string, text string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "p.go")
	require.NoError(t, os.WriteFile(path, []byte("package p\n\n"+body), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/p\n\ngo 1.26\n"), 0o600))
	c, err := load(dir, []string{"p.go"})
	require.NoError(t, err)
	mutants = map[string][]string{}
	for _, m := range c.mutants {
		function, what, _ := strings.Cut(strings.TrimPrefix(m.key, "p.go "), ": ")
		mutants[function] = append(mutants[function], what)
	}
	overlay, err := c.overlay(t.TempDir())
	require.NoError(t, err)
	cmd := exec.Command("go", "build", "-overlay", overlay, ".")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return mutants, strings.TrimPrefix(c.texts[path], "package p\n\n")
}

// TestPlant has each operator, and what must be left alone.
func TestPlant(t *testing.T) {
	mutants, _ := planted(t, `
func condition(a, b bool) { if a && !b { return }; println() }
func comparison(a int) bool { return a < 3 || a == 7 }
func constant(a int) bool { const big = 3 > 2; if big { return false }; return true }
func sum(a, b int, s string) (int, string) { return a + 1 - b, s + s }
func statements(c chan int, m map[int]int) {
	defer println(); go println(); c <- 1; m[1] = 2; m[1] += 2; m[1]++; x := 3; _ = x; for { break }; panic(1)
}
func loop(n int) { for i := 0; i < n; i++ { if i == 2 { continue }; println(i) } }
func cases(n any, b bool) { switch { case b: println() }; switch n.(type) { case bool, nil: }; println(); return }
func generic[T ~int](a, b T, ok bool) (r bool) { r = a+b > 0; r = ok; return }
type yes bool
func (y *yes) named(n int) yes { if n > 1 { return true }; return n > 1 }
`)
	want := map[string][]string{
		"condition":  {"remove: println()", "never: a", "always: a", "never: b", "always: b", "remove: return"},
		"comparison": {"never: a < 3", "always: a < 3", "never: a == 7", "always: a == 7", "boundary: a < 3"},
		"constant":   {"return: false", "return: true"},
		"sum":        {"sign: a + 1 - b", "sign: a + 1"},
		"statements": {
			"remove: defer println()", "remove: go println()", "remove: c <- 1", "remove: m[1] = 2",
			"remove: m[1] += 2", "remove: m[1]++", "remove: break",
		},
		"loop": {
			"never: i < n", "always: i < n", "boundary: i < n", "remove: println(i)",
			"never: i == 2", "always: i == 2", "remove: continue",
		},
		"cases": {"remove: println()", "remove: println() #2", "never: b", "always: b"},
		// Operands of a type parameter are left alone.
		"generic": {
			"remove: r = a+b > 0", "remove: r = ok", "never: a+b > 0", "always: a+b > 0", "never: ok", "always: ok",
		},
		"yes.named": {"never: n > 1", "always: n > 1", "boundary: n > 1"}, // and so are other truth values
	}
	require.Len(t, mutants, len(want))
	for function := range want {
		require.ElementsMatch(t, want[function], mutants[function], function)
	}
}

// TestPlant_Text: mutants inside each other, and an operand with mutants of its own.
func TestPlant_Text(t *testing.T) {
	_, text := planted(t, "func f(a, b int) {\n\tif !(a < b-1) {\n\t\treturn\n\t}\n\tprintln()\n}\n")
	require.Equal(t, `func f(a, b int) {
	if !(((((_boundary(4, true, false, a, _sign(5, true, b, 1))) || _mutant(3))) && !_mutant(2))) {
		if !_mutant(6) { return }
	}
	if !_mutant(1) { println() }
}
`, text)
}

// TestPlant_Off: with no mutant on, a comparison and a sum are what they were, also of NaN, which
// is neither below nor above anything.
func TestPlant_Off(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/p\n\ngo 1.26\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p.go"), []byte(`package main

import "math"

func compare(a, b float64) { println(a < b, a <= b, a > b, a >= b, a == b, a != b, a+b, a-b) }

func main() {
	for _, a := range []float64{-1, 0, 1, math.NaN(), math.Inf(1)} {
		compare(a, 0)
		compare(0, a)
		compare(a, a)
	}
}
`), 0o600))
	c, err := load(dir, []string{"p.go"})
	require.NoError(t, err)
	overlay, err := c.overlay(t.TempDir())
	require.NoError(t, err)
	var printed []string
	for _, args := range [][]string{{"run", "."}, {"run", "-overlay", overlay, "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		printed = append(printed, string(out))
	}
	require.Equal(t, printed[0], printed[1])
}
