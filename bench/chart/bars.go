package main

import (
	"fmt"
	"html"
	"strings"

	"github.com/gentask/gentask/bench/result"
)

// Measures of a chart, in pixels.
const (
	chartWidth = 860
	labelWidth = 380
	barHeight  = 14
	groupGap   = 16
	valueRoom  = 90
	titleRoom  = 34
)

// chosen is the unit that a suite is drawn in: the first that it has of these.
func chosen(lines []result.Line) result.Unit {
	for _, u := range []result.Unit{result.Rate, result.Time, result.Held, result.Wall} {
		for _, l := range lines {
			if l.Unit == u {
				return u
			}
		}
	}
	return ""
}

// bars draws the lines in the suite's unit: a pair of bars for each case, as long as their figures.
// It returns nothing where there is nothing to draw.
func bars(lines []result.Line) string {
	unit := chosen(lines)
	var drawn []result.Line
	longest := 0.0
	for _, l := range lines {
		if l.Unit == unit {
			drawn = append(drawn, l)
			longest = max(longest, l.Ours, l.Theirs)
		}
	}
	if len(drawn) == 0 || longest <= 0 {
		return ""
	}
	var b strings.Builder
	height := titleRoom + len(drawn)*(2*barHeight+groupGap)
	begin(&b, height)
	fmt.Fprintf(&b, `<text x="8" y="20" font-weight="bold">%s, %s (%s is better)</text>`+"\n",
		drawn[0].Suite, html.EscapeString(string(unit)), better(unit))
	for i, l := range drawn {
		group(&b, titleRoom+i*(2*barHeight+groupGap), l, float64(chartWidth-labelWidth-valueRoom)/longest)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// begin begins a picture of a height.
func begin(b *strings.Builder, height int) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n",
		chartWidth, height)
	fmt.Fprintf(b, `<rect width="%d" height="%d" fill="white"/>`+"\n", chartWidth, height)
}

// group draws one case at y.
func group(b *strings.Builder, y int, l result.Line, scale float64) {
	label := html.EscapeString(l.Case + " / " + l.Peer)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWidth-8, y+barHeight+4, label)
	bar(b, y, l.Ours*scale, "#2563eb", "gentask "+result.Figure(l.Ours))
	bar(b, y+barHeight, l.Theirs*scale, "#9ca3af", result.Figure(l.Theirs))
}

func bar(b *strings.Builder, y int, length float64, color, text string) {
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", labelWidth, y, length, barHeight-2, color)
	fmt.Fprintf(b, `<text x="%.1f" y="%d" font-size="10">%s</text>`+"\n", labelWidth+length+4, y+barHeight-4, text)
}

func better(u result.Unit) string {
	if u == result.Rate {
		return "more"
	}
	return "less"
}
