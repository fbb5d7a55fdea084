package queue_test

import (
	"encoding/json"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
)

// A place has one fingerprint, however its stack was written and wherever the runtime noticed the
// panic; another place has another one.
func TestFingerprint(t *testing.T) {
	const want = "example.com/shop.(*Mailer).send\nmain.run"
	same := map[string]string{
		"as this library writes it": "runtime.gopanic\n\t/go/panic.go:1\nexample.com/shop.(*Mailer).send\n\t/src/a.go:12\nmain.run\n\t/src/b.go:3\n",
		"as debug.Stack writes it": "goroutine 7 [running]:\nruntime/debug.Stack()\n\t/go/stack.go:26 +0x5e\nmain.run.func1()\n\t/src/b.go:9 +0x1\n" +
			"panic({0x1, 0x2})\n\t/go/panic.go:787 +0x132\nexample.com/shop.(*Mailer).send(0xc000012345, {0x1, 0x2})\n\t/b/a.go:99 +0x1d\n" +
			"main.run(...)\n\t/b/b.go:5\ncreated by main.main in goroutine 1\n\t/b/b.go:1 +0x1\n",
		"noticed by the runtime": "runtime.gopanic\n\t/x:1\nruntime.goPanicIndex\n\t/x:1\n" +
			"example.com/shop.(*Mailer).send\n\t/y:1\nmain.run\n\t/y:1\n",
		"called by this library": "runtime.gopanic\n\t/x:1\nexample.com/shop.(*Mailer).send\n\t/y:1\nmain.run\n\t/y:1\n" +
			"github.com/gentask/gentask/task.(*run).call\n\t/z:1\nruntime.goexit\n\t/z:1\n",
		"called by what was inlined": "github.com/gentask/gentask/actor.(*Routine).try.func1\n\t/x:1\nruntime.gopanic\n\t/x:1\n" +
			"example.com/shop.(*Mailer).send\n\t/y:1\nmain.run\n\t/y:1\nmain.main.Handle[...].func2\n\t/z:1\nmain.other\n\t/z:1\n",
		"with Windows' line ends": "runtime.gopanic\r\n\tc:\\x:1\r\nexample.com/shop.(*Mailer).send\r\n\tc:\\y:1\r\nmain.run\r\n\tc:\\y:1\r\n",
	}
	first := queue.Fingerprint("example.com/shop.(*Mailer).send\n\t/y:1\nmain.run\n\t/y:1\n")
	require.Len(t, first, 12, want)
	for name, stack := range same {
		require.Equal(t, first, queue.Fingerprint(stack), name)
	}
	require.NotEqual(t, first, queue.Fingerprint("runtime.gopanic\n\t/x:1\nexample.com/shop.(*Mailer).parse\n\t/y:1\nmain.run\n\t/y:1\n"))
	require.Empty(t, queue.Fingerprint(""))
	require.Empty(t, queue.Fingerprint("goroutine 1 [running]:\n"))
	require.Equal(t, queue.Fingerprint(crash(1)), queue.Fingerprint(crash(2)), "two real panics of one place")
}

// crash returns the stack of a panic in a goroutine of its own.
func crash(i int) string {
	stack := make(chan string)
	go func() {
		defer func() {
			_ = recover()
			stack <- string(debug.Stack())
		}()
		var none []int
		_ = none[i]
	}()
	return <-stack
}

// Whatever the headers hold, the letter is bounded and valid.
func TestReadLetterBoundsHeaders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`-?[0-9]{1,30}`),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string {
				return string(b)
			}), rapid.Map(rapid.SliceOfN(rapid.Int(), 0, 20), func(deaths []int) string {
				doc := map[string]any{"deaths": len(deaths) / 2, "last": []any{}}
				for _, n := range deaths {
					doc["last"] = append(doc["last"].([]any),
						map[string]any{"attempts": n, "reason": strings.Repeat("r", n&0xfff)})
				}
				all, _ := json.Marshal(doc)
				return string(all)
			}))
		m := queue.Message{Headers: map[string]string{}}
		for _, name := range []string{
			queue.HeaderAttempts, queue.HeaderReason, queue.HeaderStack, queue.HeaderQueue, queue.HeaderDeadAt,
			queue.HeaderHistory,
		} {
			m.Headers[name] = text.Draw(t, name)
		}
		l := queue.ReadLetter(m)
		require.GreaterOrEqual(t, l.Attempts, 0)
		require.LessOrEqual(t, len(l.History), queue.MaxHistory)
		require.Greater(t, l.Deaths, len(l.History))
		for _, d := range l.History {
			require.GreaterOrEqual(t, d.Attempts, 0)
			require.LessOrEqual(t, len(d.Reason), 200)
		}
	})
}

// A letter has the values of its headers.
func TestReadLetter(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	l := queue.ReadLetter(queue.Message{ID: "1", Headers: map[string]string{
		queue.HeaderAttempts: "3", queue.HeaderReason: "why", queue.HeaderStack: "main.run\n\t/x:1\n",
		queue.HeaderQueue:   "emails",
		queue.HeaderDeadAt:  at.Format(time.RFC3339Nano),
		queue.HeaderHistory: `{"deaths":12,"last":[{"attempts":5,"reason":"before","redrive":"X"}]}`,
	}})
	require.Equal(t, "1", l.ID)
	require.Equal(t, 3, l.Attempts)
	require.Equal(t, "why", l.Reason)
	require.Equal(t, "emails", l.Queue)
	require.Equal(t, queue.Fingerprint("main.run"), l.Fingerprint)
	require.True(t, at.Equal(l.DeadAt))
	require.Equal(t, 13, l.Deaths)
	require.Equal(t, []queue.Death{{Attempts: 5, Reason: "before", Redrive: "X"}}, l.History)
}
