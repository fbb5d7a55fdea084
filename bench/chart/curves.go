package main

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/gentask/gentask/bench/result"
)

// Measures of a panel, in pixels. Two stand side by side.
const (
	panelWidth  = chartWidth / 2
	panelHeight = 170
	plotLeft    = 52
	plotTop     = 40
	plotWidth   = panelWidth - plotLeft - 20
	plotHeight  = panelHeight - plotTop - 24

	mostPoints = plotWidth // of a curve: more can't be seen
)

// panel is one picture: figures of the same kind over the same time.
type panel struct {
	title string
	lines []result.Line
}

// kind is what stands in one panel.
func kind(u result.Unit) string {
	switch u {
	case result.Live, result.Mapped, result.Resident:
		return "MiB"
	case result.Median, result.Slowest:
		return "us to start"
	case result.Rate, result.Time, result.Processor, result.Bytes, result.Allocs, result.Held, result.Wall, result.Goroutines, result.Lost,
		result.Again, result.HeldEach, result.GoroutinesEach, result.Added, result.Replace, result.Longest:
	}
	return string(u)
}

// panels are those of a suite, by case and kind, in the order of its lines. A case that was not
// watched over time has none.
func panels(lines []result.Line) []*panel {
	var all []*panel
	for _, l := range lines {
		if l.Over == nil || len(l.Over.Values) == 0 {
			continue
		}
		title := l.Case + ": " + kind(l.Unit)
		i := slices.IndexFunc(all, func(p *panel) bool { return p.title == title })
		if i < 0 {
			i = len(all)
			all = append(all, &panel{title: title})
		}
		all[i].lines = append(all[i].lines, l)
	}
	return all
}

// curves draws what was watched over time. It returns nothing where there is nothing to draw.
func curves(lines []result.Line) string {
	all := panels(lines)
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	begin(&b, (len(all)+1)/2*panelHeight)
	for i, p := range all {
		fmt.Fprintf(&b, `<g transform="translate(%d,%d)">`+"\n", i%2*panelWidth, i/2*panelHeight)
		p.draw(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// draw draws the frame, and a curve for each line.
func (p *panel) draw(b *strings.Builder) {
	most := 0.0
	for _, l := range p.lines {
		most = max(most, slices.Max(l.Over.Values))
	}
	first := p.lines[0].Over
	fmt.Fprintf(b, `<text x="8" y="16" font-size="11" font-weight="bold">%s</text>`+"\n", html.EscapeString(p.title))
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#d1d5db"/>`+"\n", plotLeft, plotTop, plotWidth, plotHeight)
	fmt.Fprintf(b, `<text x="%d" y="%d" font-size="10" text-anchor="end">%s</text>`+"\n", plotLeft-4, plotTop+8, result.Figure(most))
	fmt.Fprintf(b, `<text x="%d" y="%d" font-size="10" text-anchor="end">0</text>`+"\n", plotLeft-4, plotTop+plotHeight)
	fmt.Fprintf(b, `<text x="%d" y="%d" font-size="10" text-anchor="end">%s</text>`+"\n",
		plotLeft+plotWidth, plotTop+plotHeight+14, length(first.Every*float64(len(first.Values))))
	colors := []string{"#2563eb", "#f59e0b", "#6b7280"}
	for i, l := range p.lines {
		color := colors[i%len(colors)]
		if len(p.lines) > 1 {
			fmt.Fprintf(b, `<text x="%d" y="%d" font-size="10" fill="%s">%s</text>`+"\n", plotLeft+i*120, plotTop-8, color,
				html.EscapeString(string(l.Unit)))
		}
		curve(b, l.Over.Values, most, color)
	}
}

// length is a time as an axis ends with it.
func length(seconds float64) string {
	if seconds >= 600 {
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.0f s", seconds)
}

// curve draws values from zero to most. Where there are too many, each point is the greatest of its
// stretch.
func curve(b *strings.Builder, values []float64, most float64, color string) {
	stretch := (len(values) + mostPoints - 1) / mostPoints
	fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="1.2" points="`, color)
	at := 0
	for part := range slices.Chunk(values, stretch) {
		at += len(part)
		x := plotLeft + plotWidth*float64(at)/float64(len(values))
		y := plotTop + plotHeight*(1-slices.Max(part)/max(most, 1e-9))
		fmt.Fprintf(b, "%.0f,%.1f ", x, y)
	}
	b.WriteString(`"/>` + "\n")
}
