package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/gentask/gentask/bench/result"
)

// tables prints a row for each line: what is compared, medians, ratios, and what is asked of them.
func tables(out io.Writer, lines []result.Line) error {
	if len(lines) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "suite\tcase\tagainst\tunit\tours\ttheirs\tratio\tmin\tmax\ttarget\tok")
	for _, l := range lines {
		target, ok := "-", "-"
		if l.Target != nil {
			target, ok = fmt.Sprintf("%s %.2f", bound(l.Unit), *l.Target), verdict(l.OK)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%.2f\t%.2f\t%.2f\t%s\t%s\n",
			l.Suite, l.Case, l.Peer, l.Unit, result.Figure(l.Ours), result.Figure(l.Theirs), l.Ratio, l.RatioMin, l.RatioMax, target, ok)
	}
	return w.Flush()
}

func bound(u result.Unit) string {
	if u == result.Rate {
		return ">="
	}
	return "<="
}

func verdict(ok bool) string {
	if ok {
		return "yes"
	}
	return "NO"
}
