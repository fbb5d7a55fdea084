// Write puts the reference of the commands into a document of Markdown, and makes the man page.
//
//	go run ./internal/manual/write ../../docs/cli.md gentask.1
package main

import (
	"fmt"
	"os"

	"github.com/gentask/gentask/cmd/gentask/internal/command"
	"github.com/gentask/gentask/cmd/gentask/internal/manual"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "want the document, and the man page")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(document, page string) error {
	old, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	text, ok := manual.Replace(string(old), manual.Markdown(command.Tree()))
	if !ok {
		return fmt.Errorf("%s has no place for the reference: want %q and %q", document, manual.Begin, manual.End)
	}
	if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
		return err
	}
	return os.WriteFile(page, []byte(manual.Man(command.Tree())), 0o644)
}
