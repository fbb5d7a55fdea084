package main

import (
	"errors"
	"fmt"
	"go/parser"
	"go/scanner"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

var (
	// Three dots where a statement or the statements of a body could stand.
	omitted = regexp.MustCompile(`(?m)^(\s*)\.\.\.$|\{ \.\.\. \}`)
	// The name before a dot, perhaps that of a package.
	qualifier = regexp.MustCompile(`\b([a-z]\w*)\.[A-Z]`)
	declared  = regexp.MustCompile(`^var (\w+(?:, \w+)*) `)
)

// source returns a Go file with the code of the block. Comments of the file lead positions back to
// the document, whose path is given.
func (b block) source(path string) (string, error) {
	text := omitted.ReplaceAllStringFunc(b.text, func(dots string) string {
		return strings.Replace(dots, "...", `panic("left out")`, 1)
	})
	if strings.HasPrefix(text, "package ") {
		return fmt.Sprintf("//line %s:%d\n%s", path, b.line, text), nil
	}
	parts, err := split(text, token.Position{Filename: path, Line: b.line})
	if err != nil {
		return "", err
	}
	var needs, declarations, statements strings.Builder
	var names []string
	for _, n := range b.of("needs") {
		fmt.Fprintf(&needs, "//line %s:%d\n", path, n.line)
		for _, d := range declarationsOf(n.text) {
			fmt.Fprintln(&needs, d)
			if name := declared.FindStringSubmatch(d); name != nil {
				names = append(names, strings.Split(name[1], ", ")...)
			}
		}
	}
	for _, p := range parts {
		to := &statements
		if p.declares {
			to = &declarations
		}
		fmt.Fprintf(to, "//line %s:%d\n%s\n", path, p.line, p.text)
	}
	imports := importsOf(needs.String()+text, names)
	return fmt.Sprintf("package snippet\n//line %s:%d\n%s\n%s%sfunc _() error {\n%sreturn nil\n}\n",
		path, b.line, imports, needs.String(), declarations.String(), statements.String()), nil
}

// declarationsOf splits a comment at its semicolons, but not at those within braces. A declaration
// without a keyword is a variable's.
func declarationsOf(text string) []string {
	var all []string
	depth, from := 0, 0
	add := func(to int) {
		d := strings.TrimSpace(text[from:to])
		if !strings.HasPrefix(d, "type ") && !strings.HasPrefix(d, "func ") {
			d = "var " + d
		}
		all = append(all, d)
		from = to + 1
	}
	for n, c := range text {
		switch c {
		case '{':
			depth++
		case '}':
			depth--
		case ';':
			if depth == 0 {
				add(n)
			}
		}
	}
	add(len(text))
	return all
}

// importsOf returns one line with imports of the packages that the code names, except names that
// are variables.
func importsOf(code string, variables []string) string {
	var imports strings.Builder
	var done []string
	for _, match := range qualifier.FindAllStringSubmatch(code, -1) {
		name := match[1]
		path, known := packageNames[name]
		if !known || slices.Contains(variables, name) || slices.Contains(done, name) {
			continue
		}
		done = append(done, name)
		fmt.Fprintf(&imports, "import %s %q; ", name, path)
	}
	return imports.String()
}

// part is a run of lines of a block that ends at an empty line or at the end.
type part struct {
	line     int
	text     string
	declares bool // else it is statements
}

// split returns the parts of a block that begins at a position. Code that is neither declarations
// nor statements goes on behind the empty line. The error is a [scanner.ErrorList].
func split(text string, begin token.Position) ([]part, error) {
	var all []part
	var wrong error
	lines := strings.Split(text, "\n")
	from := 0
	for n := range lines {
		if strings.TrimSpace(lines[n]) != "" {
			continue
		}
		p := part{line: begin.Line + from, text: strings.Join(lines[from:n], "\n")}
		if p.declares, wrong = declares(p.text); wrong == nil {
			all = append(all, p)
			from = n + 1
		}
	}
	var list scanner.ErrorList
	if errors.As(wrong, &list) {
		begin.Line += from + list[0].Pos.Line - 1
		return nil, scanner.ErrorList{{Pos: begin, Msg: list[0].Msg}}
	}
	return all, wrong
}

// declares reports whether code is declarations. It returns an error if it is no statements either.
func declares(code string) (bool, error) {
	set := token.NewFileSet()
	if _, err := parser.ParseFile(set, "", "package p; "+code, parser.SkipObjectResolution); err == nil {
		return true, nil
	}
	_, err := parser.ParseFile(set, "", "package p; func _() {"+code+"\n}", parser.SkipObjectResolution)
	return false, err
}
