package main

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planted returns the body of a function with its mutants, and the kinds and texts of these. Both
// must compile.
func planted(t *testing.T, head, body string) (text string, mutants []string) {
	t.Helper()
	src := "package p\n" + head + " {\n" + body + "\n}\n"
	fset := token.NewFileSet()
	check := func(sources ...string) (*ast.File, *types.Info) {
		var files []*ast.File
		for _, s := range sources {
			f, err := parser.ParseFile(fset, "p.go", s, 0)
			require.NoError(t, err, s)
			files = append(files, f)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
		conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
		_, err := conf.Check("p", fset, files, info)
		require.NoError(t, err, sources[0])
		return files[0], info
	}
	file, info := check(src)
	n := 0
	p := &planter{
		name: "p.go", src: src, base: file.FileStart, info: info, keys: keys{}, next: func() int { n++; return n },
	}
	for _, m := range p.plant(file) {
		_, what, _ := strings.Cut(m.key, ": ")
		mutants = append(mutants, what)
	}
	text = p.edits.apply(src)
	check(text, strings.NewReplacer("PACKAGE", "p", "LIMIT", "100").Replace(switchSource))
	_, text, _ = strings.Cut(text, " {\n")
	return strings.TrimSuffix(text, "\n}\n"), mutants
}

// TestPlant_Text: mutants inside each other, and an operand with mutants of its own.
func TestPlant_Text(t *testing.T) {
	text, _ := planted(t, "func f(a, b int)", "if !(a < b-1) { return }\nprintln()")
	require.Equal(t, "if !(((((_boundary(4, true, false, a, _sign(5, true, b, 1))) || _mutant(3))) && !_mutant(2)))"+
		" { if !_mutant(6) { return } }\nif !_mutant(1) { println() }", text)
}

// TestPlant has each operator, and what must be left alone.
func TestPlant(t *testing.T) {
	cases := []struct {
		name, head, body string
		mutants          []string
	}{
		{"condition", "func f(a, b bool)", "if a && !b { return }; println()", []string{
			"remove: println()", "never: a", "always: a", "never: b", "always: b", "remove: return",
		}},
		{"comparison", "func f(a int) bool", "return a < 3 || a == 7", []string{
			"never: a < 3", "always: a < 3", "never: a == 7", "always: a == 7", "boundary: a < 3",
		}},
		{"constant", "func f(a int) bool", "const big = 3 > 2; if big { return false }; return true", []string{
			"return: false", "return: true",
		}},
		{"sign", "func f(a, b int, s string) (int, string)", "return a + 1 - b, s + s", []string{
			"sign: a + 1 - b", "sign: a + 1",
		}},
		{
			"statements", "func f(c chan int, m map[int]int)",
			"defer println(); go println(); c <- 1; m[1] = 2; m[1] += 2; m[1]++; x := 3; _ = x; for { break }; panic(1)",
			[]string{
				"remove: defer println()", "remove: go println()", "remove: c <- 1", "remove: m[1] = 2",
				"remove: m[1] += 2", "remove: m[1]++", "remove: break",
			},
		},
		{"loop", "func f(n int)", "for i := 0; i < n; i++ { if i == 2 { continue } ; println(i) }", []string{
			"never: i < n", "always: i < n", "remove: println(i)", "boundary: i < n",
			"never: i == 2", "always: i == 2", "remove: continue",
		}},
		{
			"cases", "func f(n any, b bool)", "switch { case b: println() }; switch n.(type) { case bool, nil: }; println(); return",
			[]string{"remove: println()", "never: b", "always: b", "remove: println() #2"},
		},
		{"generic", // operands of a type parameter are left alone
			"func f[T ~int](a, b T, ok bool) (r bool)", "r = a+b > 0; r = ok; return", []string{
				"remove: r = a+b > 0", "remove: r = ok", "never: a+b > 0", "always: a+b > 0", "never: ok", "always: ok",
			}},
		{"named type", "type yes bool; func f(a yes, n int) yes", "if a { return true }; return n > 1", nil},
	}
	for _, c := range cases {
		_, mutants := planted(t, c.head, c.body)
		require.ElementsMatch(t, c.mutants, mutants, c.name)
	}
}
