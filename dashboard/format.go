package dashboard

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gentask/gentask/queue"
)

// functions are those of the templates.
func functions(a *assets) template.FuncMap {
	return template.FuncMap{
		"asset": a.link, "num": number[int], "unum": number[uint64], "count": count, "rate": perSecond, "dur": duration,
		"ago": ago, "span": span,
		"bytes": byteCount, "stamp": stamp, "iso": iso, "clock": clock, "plural": plural, "clip": clip, "or0": orDash,
		"long": long,
	}
}

// number returns n with its thousands apart.
func number[T int | uint64](n T) string {
	digits := strconv.FormatUint(uint64(max(n, 0)), 10)
	var b strings.Builder
	if n < 0 {
		return "-" + number(-n)
	}
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// count returns a count of [queue.Stats]: a dash if it is unknown.
func count(n int) string {
	if n == queue.CountUnknown {
		return "–"
	}
	return number(n)
}

// perSecond returns a rate with the digits that matter.
func perSecond(r float64) string {
	switch {
	case r <= 0:
		return "0"
	case r < 100:
		return strconv.FormatFloat(r, 'f', 1, 64)
	}
	return number(int(min(r, 1e15) + 0.5))
}

// duration returns d with two units at most.
func duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + duration(-max(d, -1<<62))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d m %02d s", d/time.Minute, d/time.Second%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %02d m", d/time.Hour, d/time.Minute%60)
	}
	return fmt.Sprintf("%d d %02d h", d/(24*time.Hour), d/time.Hour%24)
}

// ago returns how long ago something was, with one unit.
func ago(d time.Duration) string {
	return span(d) + " ago"
}

// span returns d with one unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(d, 0)/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

func byteCount(n int) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// stamp returns a time for people; a dash for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// clock returns the time of day, in UTC.
func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// iso returns a time for the attribute of a time element.
func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// plural returns n with the word for one thing, or for several.
func plural(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + several
}

// long returns the class of a figure that is too long for the usual size of its type.
func long(text string) string {
	if len(text) > len("999,999") {
		return "long"
	}
	return ""
}

// orDash returns text, or a dash if it is empty.
func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

// clip returns text, cut to n bytes at the end of a letter, with a mark if it was cut.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
