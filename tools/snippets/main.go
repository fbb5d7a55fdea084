// Command snippets compiles the Go code in README.md, CONTRIBUTING.md, docs and the comments of Go
// files, and checks that the shell commands there name targets and directories that exist. It
// prints each mistake with the file and the line of the code, and exits with 1 if there is any.
//
// A block of Go is a file of its own if it begins with a package clause. Else its parts, separated
// by empty lines, are declarations or the statements of one function, which may return an error.
// Three dots in place of a statement stand for code that was left out. Names of packages need no
// import: imports.go has them. Results need no use. A comment above the block declares other names,
// as in Go but without var; the page does not show it:
//
//	<!-- needs: ctx context.Context; type Email struct{ To, Subject string } -->
//
// Code that can't compile has a comment with the reason, and its file a line in fragments.txt:
//
//	<!-- fragment: the API of another library -->
//
// In a comment of a Go file, a block of Go is code that is indented and uses a package. Its names
// are declared at the end of the comment, for all of its blocks:
//
//	//snippets:needs ctx context.Context; type Email struct{ To, Subject string }
//
// Usage:
//
//	snippets [-dir directory of README.md and docs, by default the current one] [-fragments file]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// errFound is the result of a run that has found mistakes.
var errFound = errors.New("want code that compiles, and commands that exist")

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "snippets:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("snippets", flag.ContinueOnError)
	dir := flags.String("dir", ".", "the directory with README.md and docs")
	list := flags.String("fragments", "", "a file with the number of fragments of each document that has some")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	blocks, mistakes, err := read(root)
	if err != nil {
		return err
	}
	inCode, more, err := readComments(root)
	if err != nil {
		return err
	}
	blocks, mistakes = append(blocks, inCode...), append(mistakes, more...)
	more, err = countFragments(blocks, *list)
	if err != nil {
		return err
	}
	mistakes = append(mistakes, more...)
	if more, err = compile(root, blocks); err != nil {
		return err
	}
	mistakes = append(mistakes, more...)
	if more, err = checkCommands(root, blocks); err != nil {
		return err
	}
	mistakes = append(mistakes, more...)
	for _, m := range mistakes {
		fmt.Fprintln(out, m)
	}
	if len(mistakes) > 0 {
		return errFound
	}
	return nil
}
