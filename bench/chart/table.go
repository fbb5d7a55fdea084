package main

import (
	"fmt"
	"io"

	"github.com/gentask/gentask/bench/result"
)

// writeTable writes the lines of one suite as a table in Markdown.
func writeTable(w io.Writer, suite string, lines []result.Line) {
	fmt.Fprintf(w, "### %s\n\n", suite)
	fmt.Fprintln(w, "| case | against | unit | ours | theirs | ratio (min - max) | target | |")
	fmt.Fprintln(w, "|---|---|---|---:|---:|---|---|---|")
	for _, l := range lines {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", l.Case, l.Peer, l.Unit, result.Figure(l.Ours), result.Figure(l.Theirs),
			fmt.Sprintf("%.2f (%.2f - %.2f)", l.Ratio, l.RatioMin, l.RatioMax), target(l), verdict(l))
	}
	fmt.Fprintln(w)
}

func target(l result.Line) string {
	switch {
	case l.Target == nil:
		return ""
	case l.Unit == result.Rate:
		return fmt.Sprintf("at least %.2f", *l.Target)
	default:
		return fmt.Sprintf("at most %.2f", *l.Target)
	}
}

func verdict(l result.Line) string {
	switch {
	case l.Target == nil:
		return ""
	case l.OK:
		return "met"
	default:
		return "**missed**"
	}
}
