package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gentask/gentask/internal/terminal"
	"github.com/gentask/gentask/queue"
)

// list shows a line for each letter.
func list(ctx context.Context, letters *queue.Letters, filter queue.LetterFilter, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tDEAD AT\tATTEMPTS\tDEATHS\tFINGERPRINT\tREASON")
	n := 0
	for letter, err := range letters.All(ctx, filter) {
		if err != nil {
			return err
		}
		n++
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\n", terminal.Text(letter.ID), when(letter.DeadAt), letter.Attempts, letter.Deaths,
			terminal.Text(letter.Fingerprint),
			firstLine(letter.Reason))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d letters\n", n)
	return err
}

// show shows all that is known about each letter.
func show(ctx context.Context, letters *queue.Letters, filter queue.LetterFilter, out io.Writer) error {
	for letter, err := range letters.All(ctx, filter) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s of queue %q, published %s, dead since %s\n", terminal.Text(letter.ID), letter.Queue, when(letter.Time),
			when(letter.DeadAt))
		fmt.Fprintf(out, "  body (%s): %q\n", terminal.Text(letter.ContentType), letter.Body)
		fmt.Fprintf(out, "  attempts: %d\n  reason: %s\n", letter.Attempts, terminal.Lines(letter.Reason, "    "))
		for _, death := range letter.History {
			fmt.Fprintf(out, "  before: died %s after %d attempts, given back %s: %s\n", when(death.DeadAt), death.Attempts, when(death.RedrivenAt),
				firstLine(death.Reason))
		}
		if letter.Stack != "" {
			fmt.Fprintf(out, "  panic %s:\n    %s\n", terminal.Text(letter.Fingerprint), terminal.Lines(letter.Stack, "    "))
		}
	}
	return nil
}

// when shows a time that may be unknown.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateTime)
}

// firstLine keeps a table a table.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return terminal.Text(line)
}
