package schedule

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// expression is a cron expression: for each field the set of its values, one bit for each.
type expression struct {
	second, minute, hour, dom, month, dow uint64

	// anyDom and anyDow report that the field is a star: then the other one decides.
	anyDom, anyDow bool
}

// everyHour reports whether the expression names all 24 hours: such a plan means each hour that
// passes, and not certain hours of the day.
func (e *expression) everyHour() bool { return e.hour == 1<<24-1 }

// onDay reports whether the expression names the date of day.
func (e *expression) onDay(day time.Time) bool {
	dom, dow := e.dom>>day.Day()&1 == 1, e.dow>>int(day.Weekday())&1 == 1
	switch {
	case e.month>>int(day.Month())&1 == 0:
		return false
	case e.anyDom || e.anyDow:
		return dom && dow
	}
	return dom || dow
}

// first returns the first wall time in [from, end) that the expression names, or the zero time. A
// wall time is the time on a clock on the wall: a date without a zone, kept in UTC.
func (e *expression) first(from, end time.Time) time.Time {
	day := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, time.UTC)
	for ; day.Before(end); day = e.nextDay(day) {
		if !e.onDay(day) {
			continue
		}
		second, ok := e.inDay(int(max(from.Sub(day), 0) / time.Second))
		if !ok {
			continue
		}
		if wall := day.Add(time.Duration(second) * time.Second); wall.Before(end) {
			return wall
		}
		return time.Time{}
	}
	return time.Time{}
}

// nextDay returns the day after day, without those of months that the expression does not name.
func (e *expression) nextDay(day time.Time) time.Time {
	if e.month>>int(day.Month())&1 == 0 {
		return time.Date(day.Year(), day.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	}
	return day.AddDate(0, 0, 1)
}

// inDay returns the first second of a day, at from or later, that the expression names.
func (e *expression) inDay(from int) (second int, ok bool) {
	h, m, s := from/3600, from/60%60, from%60
	for hour := atLeast(e.hour, h); hour < 24; hour = atLeast(e.hour, hour+1) {
		if hour != h {
			m, s = 0, 0
		}
		for minute := atLeast(e.minute, m); minute < 60; minute = atLeast(e.minute, minute+1) {
			if minute != m {
				s = 0
			}
			if second := atLeast(e.second, s); second < 60 {
				return hour*3600 + minute*60 + second, true
			}
		}
	}
	return 0, false
}

// atLeast returns the lowest bit of set that is not below from, or 64 or more if there is none.
func atLeast(set uint64, from int) int { return from + bits.TrailingZeros64(set>>from) }

// mostText is the most bytes that an expression may have.
const mostText = 1 << 10

// parse reads an expression. Its error completes the sentence "the expression is ...".
func parse(text string) (expression, error) {
	if len(text) > mostText {
		return expression{}, fmt.Errorf("longer than %d bytes", mostText)
	}
	fields := strings.Fields(strings.ToLower(text))
	if len(fields) == 1 {
		fields = strings.Fields(described(fields[0]))
	}
	if len(fields) == 5 {
		fields = append([]string{"0"}, fields...)
	}
	if len(fields) != 6 {
		return expression{}, fmt.Errorf("%q", text)
	}
	var e expression
	sets := [...]*uint64{&e.second, &e.minute, &e.hour, &e.dom, &e.month, &e.dow}
	for i, f := range fieldsOf() {
		set, err := f.parse(fields[i])
		if err != nil {
			return expression{}, fmt.Errorf("%q, whose %w", text, err)
		}
		*sets[i] = set
	}
	e.anyDom, e.anyDow = anyDay(fields[3]), anyDay(fields[5])
	return e, nil
}

// described returns the expression of a word like @daily, or "" for other words.
func described(word string) string {
	switch word {
	case "@yearly", "@annually":
		return "0 0 1 1 *"
	case "@monthly":
		return "0 0 1 * *"
	case "@weekly":
		return "0 0 * * 0"
	case "@daily", "@midnight":
		return "0 0 * * *"
	case "@hourly":
		return "0 * * * *"
	}
	return ""
}

// anyDay reports whether one of the parts of a field is a star without a step.
func anyDay(text string) bool {
	for part := range strings.SplitSeq(text, ",") {
		span, by, stepped := strings.Cut(part, "/")
		if step, _ := number(by); isStar(span) && (!stepped || step == 1) {
			return true
		}
	}
	return false
}

// isStar reports whether a range has all values.
func isStar(span string) bool { return span == "*" || span == "?" }
