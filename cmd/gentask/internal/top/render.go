package top

import (
	"fmt"
	"strconv"
	"time"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
)

// Size is that of a terminal, in columns and lines.
type Size struct{ Width, Height int }

// Paint returns a text in a colour: see [terminal.Screen.Paint].
type Paint func(c terminal.Colour, text string) string

// minHeight is what the head, the foot and one line of the tables take.
const minHeight = 4

// Page returns how many lines of the tables a screen shows.
func (s Size) Page() int { return max(s.Height, minHeight) - minHeight + 1 }

// Render returns the lines of the screen at a time: a head of two lines, as many lines of the
// tables as fit from v.Offset on, and a foot. There are never more than size has, unless it has
// fewer than four. No line is longer than size.Width characters. Columns that do not fit are left
// out, the least important ones first. Render returns the offset that it has used, too: v.Offset,
// or less if there are not that many lines.
func Render(s *Snapshot, v View, size Size, now time.Time, paint Paint) (lines []string, offset int) {
	size.Width = max(size.Width, 1)
	body := bodyOf(s, v.Order, size.Width, paint)
	page := size.Page()
	offset = min(max(v.Offset, 0), max(len(body)-page, 0))
	end := min(offset+page, len(body))
	lines = append(headOf(s, v, size.Width, now, paint), body[offset:end]...)
	foot := "q end  s order  p pause  j/k scroll  ? help"
	if v.Help {
		foot = "q, Ctrl-C: end  s: order by name, waiting, running, done/s, failed/s  p: stand still" +
			"  j k, arrows, space b, g G: scroll  ?: less"
	}
	if end < len(body) {
		foot = strconv.Itoa(len(body)-end) + " more lines  " + foot
	}
	return append(lines, paint(terminal.Faint, terminal.Cut(foot, size.Width))), offset
}

// headOf returns the line of the fleet and that of the moment.
func headOf(s *Snapshot, v View, width int, now time.Time, paint Paint) []string {
	running, oldest, sum := s.JobsLeft+len(s.Jobs), time.Duration(0), Rates{}
	for _, n := range s.Nodes {
		sum.Done += n.Done
		sum.Failed += n.Failed
	}
	for _, j := range s.Jobs {
		oldest = max(oldest, j.Age)
	}
	first := fmt.Sprintf("fleet %s  nodes %d  running %d  done/s %s  failed/s %s  oldest job %s",
		terminal.Text(s.Fleet), len(s.Nodes), running, rate(sum.Done), rate(sum.Failed), span(oldest))
	second, colour := fmt.Sprintf("%s  order: %s", terminal.Text(s.System), v.Order), terminal.Faint
	switch {
	case s.Trouble != "":
		second, colour = terminal.Text(s.Trouble), terminal.Bad
		if !s.At.IsZero() {
			second = fmt.Sprintf("as of %s ago: %s", span(now.Sub(s.At).Truncate(time.Second)), second)
		}
	case s.At.IsZero():
		second = "asking  " + second
	default:
		second = s.At.Local().Format(time.TimeOnly) + "  " + second
	}
	if v.Paused {
		second = "PAUSED, p goes on  " + second
		if colour == terminal.Faint {
			colour = terminal.Fair
		}
	}
	return []string{paint(terminal.Title, terminal.Cut(first, width)), paint(colour, terminal.Cut(second, width))}
}

// rate returns a number per second with as many digits as mean something.
func rate(perSecond float64) string {
	if perSecond >= 100 {
		return strconv.FormatFloat(perSecond, 'f', 0, 64)
	}
	return strconv.FormatFloat(perSecond, 'f', 1, 64)
}

func count(n int) string {
	if n == Unknown {
		return "-"
	}
	return strconv.Itoa(n)
}

// span returns a duration in a few characters.
func span(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return terminal.Age(d)
}
