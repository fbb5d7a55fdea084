package top_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/cmd/gentask/internal/top"
)

// now is when the screens of the tests are drawn, and then when their snapshots were made.
var (
	now  = time.Date(2026, 3, 1, 12, 0, 7, 0, time.Local)
	then = now.Add(-7 * time.Second)
)

func plain(_ terminal.Colour, text string) string { return text }

func small() *top.Snapshot {
	return &top.Snapshot{
		Fleet: "shop", System: "RabbitMQ", At: then,
		Queues: []top.Queue{
			{
				Name: "emails", Waiting: 12, Delayed: top.Unknown, Held: 3, Dead: 2, Running: 3, Rates: top.Rates{Done: 123.4, Failed: 0.5},
				Timed: true, P50: 12 * time.Millisecond, P99: 1500 * time.Millisecond, Note: top.Note{Text: "consuming", Colour: terminal.Good},
			},
			{Name: "reports", Waiting: 40, Delayed: 1, Held: 0, Note: top.Note{Text: "paused", Colour: terminal.Fair}},
		},
		Nodes: []top.Node{{
			Name: "node-1", Version: "1.2.3", Up: 90 * time.Minute, Running: 3, Concurrency: 10,
			Rates: top.Rates{Done: 123.4, Failed: 0.5}, Note: top.Note{Text: "healthy", Colour: terminal.Good},
		}},
		Jobs: []top.Job{{
			ID: "m1", Queue: "emails", Node: "node-1", Attempt: 2, Age: 65 * time.Second, Active: 64 * time.Second,
		}},
		JobsLeft: 2,
	}
}

func TestRender(t *testing.T) {
	lines, _ := top.Render(small(), top.View{}, top.Size{Width: 120, Height: 20}, now, plain)
	require.Equal(t, []string{
		"fleet shop  nodes 1  running 3  done/s 123  failed/s 0.5  oldest job 1m05s",
		"12:00:00  RabbitMQ  order: name",
		"QUEUE    WAITING  DELAYED  HELD  DEAD  RUNNING  DONE/S  FAILED/S   P50   P99  STATE",
		"emails        12        -     3     2        3     123       0.5  12ms  1.5s  consuming",
		"reports       40        1     0     0        0     0.0       0.0     -     -  paused",
		"",
		"NODE    VERSION     UP  RUNNING  DONE/S  FAILED/S  STATE",
		"node-1  1.2.3    1h30m     3/10     123       0.5  healthy",
		"",
		"JOB  QUEUE   NODE    ATTEMPT    AGE  ACTIVE",
		"m1   emails  node-1        2  1m05s   1m04s",
		"2 more jobs run",
		"q end  s order  p pause  j/k scroll  ? help",
	}, lines)
}

// TestRender_Narrow screens lose the columns that say least, and never a line.
func TestRender_Narrow(t *testing.T) {
	for width, want := range map[int][]string{
		60: {"QUEUE    WAITING  DEAD  RUNNING  DONE/S  FAILED/S  STATE", "reports       40     0        0     0.0       0.0  paused"},
		30: {"QUEUE    WAITING  STATE", "reports       40  paused"},
		17: {"QUEUE    WAITING", "reports       40"},
		5:  {"QUEUE", "repo…"},
	} {
		lines, _ := top.Render(small(), top.View{}, top.Size{Width: width, Height: 20}, now, plain)
		require.Len(t, lines, 13, "%d columns", width)
		require.Equal(t, want, []string{lines[2], lines[4]}, "%d columns", width)
	}
}

// TestRender_SecondLine: below the head stands what matters at the moment, such as an outage.
func TestRender_SecondLine(t *testing.T) {
	for _, c := range []struct {
		want    string
		at      time.Time
		trouble string
		paused  bool
	}{
		{"asking  RabbitMQ  order: name", time.Time{}, "", false},
		{"the broker is away", time.Time{}, "the broker is away", false},
		{`as of 7s ago: away \x1b[2J`, then, "away \x1b[2J", false},
		{"PAUSED, p goes on  12:00:00  RabbitMQ  order: name", then, "", true},
	} {
		s := small()
		s.At, s.Trouble = c.at, c.trouble
		lines, _ := top.Render(s, top.View{Paused: c.paused}, top.Size{Width: 80, Height: 20}, now, plain)
		require.Equal(t, c.want, lines[1])
	}
}

// TestRender_Order puts the largest first, by what the view has chosen.
func TestRender_Order(t *testing.T) {
	for order, want := range map[top.Order]string{
		top.ByName: "emails", top.ByWaiting: "reports", top.ByRunning: "emails", top.ByDone: "emails", top.ByFailed: "emails",
	} {
		lines, _ := top.Render(small(), top.View{Order: order}, top.Size{Width: 100, Height: 20}, now, plain)
		require.True(t, strings.HasPrefix(lines[3], want), "%v: %s", order, lines[3])
		require.Contains(t, lines[1], "order: "+order.String())
	}
}

// TestRender_Hostile texts stay one line each, harmless, and within the screen of any size.
func TestRender_Hostile(t *testing.T) {
	hostile := "\x1b[2J\x1b]0;x\x07\r\n\u202e" + strings.Repeat("long ", 100) + "\xff"
	s := &top.Snapshot{Fleet: hostile, System: hostile, Trouble: hostile, At: now}
	for i := range 40 {
		name := fmt.Sprint(i, hostile)
		s.Queues = append(s.Queues, top.Queue{Name: name, Waiting: i, Note: top.Note{Text: hostile}})
		s.Nodes = append(s.Nodes, top.Node{Name: name, Version: hostile, Note: top.Note{Text: hostile}})
		s.Jobs = append(s.Jobs, top.Job{ID: name, Queue: hostile, Node: hostile})
	}
	for _, view := range []top.View{{}, {Help: true, Offset: 1 << 30}, {Order: top.ByFailed, Offset: 50, Paused: true}} {
		for _, size := range []top.Size{{-1, -1}, {0, 0}, {1, 1}, {7, 3}, {20, 4}, {80, 24}, {200, 50}, {1000, 100}} {
			lines, offset := top.Render(s, view, size, now, plain)
			require.LessOrEqual(t, len(lines), max(size.Height, 4), "%+v", size)
			require.GreaterOrEqual(t, len(lines), 4)
			require.LessOrEqual(t, offset, 125)
			for _, line := range lines {
				require.LessOrEqual(t, utf8.RuneCountInString(line), max(size.Width, 1), "%+v: %q", size, line)
				require.Equal(t, -1, strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", line)
			}
		}
	}
}

// TestView scrolls to the end and back, and each key does one thing.
func TestView(t *testing.T) {
	v, size := top.View{}, top.Size{Width: 80, Height: 7}
	press := func(keys ...terminal.Key) []string {
		for _, key := range keys {
			require.False(t, v.Press(key, size.Page()))
		}
		lines, offset := top.Render(small(), v, size, now, plain)
		v.Offset = offset
		return lines
	}
	require.Equal(t, "6 more lines  q end  s order  p pause  j/k scroll  ? help", press()[6])
	require.True(t, strings.HasPrefix(press('j', terminal.KeyDown)[2], "reports"))
	require.True(t, strings.HasPrefix(press('k')[2], "emails"))
	require.Equal(t, "2 more jobs run", press('G')[5])
	require.True(t, strings.HasPrefix(press(terminal.KeyUp)[5], "m1"), "the end is no wall")
	require.True(t, strings.HasPrefix(press('g', 'k')[2], "QUEUE"))
	require.True(t, strings.HasPrefix(press(' ')[2], "NODE"), "a page further")
	press('s', 'p', '?', 'x', terminal.KeyPageUp)
	require.Equal(t, top.View{Order: top.ByWaiting, Paused: true, Help: true}, v)
	press('s', 's', 's', 's')
	require.Equal(t, top.ByName, v.Order)
	require.True(t, v.Press('q', 1))
	require.True(t, v.Press(terminal.KeyInterrupt, 1))
}
