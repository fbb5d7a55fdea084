package feed_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/feed"
	"github.com/gentask/gentask/internal/guard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func hook() *guard.Hook { return guard.NewHost(nil).Hook("f", 0) }

// TestFeed_InOrder: every value that was not dropped comes once, in order, however calls end; and
// dropped and failed values are counted.
func TestFeed_InOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		most := rapid.IntRange(1, 40).Draw(rt, "most")
		n := rapid.IntRange(0, 200).Draw(rt, "n")
		every := rapid.IntRange(1, 10).Draw(rt, "every")
		crash := rapid.SampledFrom([]func(){func() {}, func() { panic("bug") }, runtime.Goexit}).Draw(rt, "crash")
		synctest.Test(t, func(*testing.T) {
			var got []int
			h := hook()
			f := feed.New(h, most, func(v int) {
				got = append(got, v)
				if v%every == 0 {
					crash()
				}
			})
			for v := range n {
				f.Push(v)
				if rapid.Bool().Draw(rt, "rest") {
					synctest.Wait()
				}
			}
			if err := f.Wait(context.Background(), time.Second); err != nil {
				rt.Fatal(err)
			}
			for i := 1; i < len(got); i++ {
				if got[i-1] >= got[i] {
					rt.Fatalf("%d before %d", got[i-1], got[i])
				}
			}
			if len(got)+h.Stats().Lost != n {
				rt.Fatalf("%d came and %d were lost of %d", len(got), h.Stats().Lost, n)
			}
		})
	})
}

// TestFeed_ThatBlocks holds a bounded number of values, no caller of Push, and a Wait for as long
// as its patience.
func TestFeed_ThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, h, calls := make(chan struct{}), hook(), 0
		f := feed.New(h, 160, func(int) { calls++; <-release })
		f.Push(0)
		synctest.Wait()
		for range 1000 {
			f.Offer(1)
		}
		require.Equal(t, 850, h.Stats().Lost, "a sixteenth is for others")
		for range 1000 {
			f.Push(2)
		}
		require.Equal(t, 850+990, h.Stats().Lost)
		time.Sleep(time.Second)
		require.True(t, f.Stuck(time.Second-1))
		require.False(t, f.Stuck(time.Second))
		begin := time.Now()
		require.ErrorIs(t, f.Wait(t.Context(), 5*time.Second), feed.ErrStuck)
		require.Equal(t, 5*time.Second, time.Since(begin))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, f.Wait(ctx, 5*time.Second), context.DeadlineExceeded)
		close(release)
		require.NoError(t, f.Wait(t.Context(), 5*time.Second))
		require.Equal(t, 161, calls)
		require.False(t, f.Stuck(0))
	})
}

// TestFeed_Wait has patience with a function that is slow and returns.
func TestFeed_Wait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, calls := feed.New(hook(), 100, func(int) { time.Sleep(4 * time.Second) }), 50
		for range calls {
			f.Push(1)
		}
		begin := time.Now()
		require.NoError(t, f.Wait(t.Context(), 5*time.Second))
		require.Equal(t, time.Duration(calls)*4*time.Second, time.Since(begin))
	})
}

// TestFeed_Close drops what waits, also when it is called by the function itself.
func TestFeed_Close(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f *feed.Feed[int]
		calls := 0
		f = feed.New(hook(), 10, func(int) { calls++; f.Close() })
		for range 5 {
			f.Push(1)
		}
		synctest.Wait()
		f.Push(1)
		require.NoError(t, f.Wait(t.Context(), time.Second))
		require.Equal(t, 1, calls)
	})
}

// lines is a handler that keeps its records as text.
type lines struct {
	slog.Handler
	mu   *sync.Mutex
	text *strings.Builder
	do   func()
}

func newLines(do func()) lines {
	l := lines{mu: &sync.Mutex{}, text: &strings.Builder{}, do: do}
	l.Handler = slog.NewTextHandler(l.text, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})
	return l
}

func (l lines) Handle(ctx context.Context, r slog.Record) error {
	l.do()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Handler.Handle(ctx, r) //nolint:wrapcheck // a test
}

func (l lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.text.String()), "\n")
}

// TestHandler_IsTransparent for groups, attributes and levels.
func TestHandler_IsTransparent(t *testing.T) {
	direct, behind := newLines(func() {}), newLines(func() {})
	h := feed.NewHandler(hook(), behind.Handler)
	for _, logger := range []*slog.Logger{slog.New(direct.Handler), slog.New(h)} {
		logger.Info("not enabled")
		logger.Warn("w", "a", 1)
		logger.With("b", 2).WithGroup("g").With("c", 3).Error("e", "d", slog.GroupValue(slog.Int("x", 4)))
	}
	require.NoError(t, h.Wait(t.Context(), time.Second))
	require.Equal(t, direct.all(), behind.all())
	require.False(t, h.Enabled(t.Context(), slog.LevelDebug))
	require.False(t, h.AtLeast(slog.LevelWarn).Enabled(t.Context(), slog.LevelInfo))
}

// TestHandler_ThatBlocks loses records, and logs how many when it goes on.
func TestHandler_ThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, hook := make(chan struct{}), hook()
		target := newLines(func() { <-release })
		h := feed.NewHandler(hook, target)
		for i := range 5000 {
			slog.New(h).Warn("w", "i", i)
			if i == 0 {
				synctest.Wait() // it blocks
			}
		}
		lost := hook.Stats().Lost
		require.GreaterOrEqual(t, lost, 5000-2049)
		require.True(t, h.Stuck(-1))
		close(release)
		require.NoError(t, h.Wait(t.Context(), time.Second))
		got := target.all()
		require.Len(t, got, 5000-lost+1)
		require.Contains(t, strings.Join(got, "\n"), fmt.Sprintf(`is too slow" count=%d`, lost))
	})
}

type hostile struct{}

func (hostile) LogValue() slog.Value { panic("bug") }

// TestHandler_Foreign reads no values of unknown types.
func TestHandler_Foreign(t *testing.T) {
	target := newLines(func() {})
	h := feed.NewHandler(hook(), target.Handler)
	logger := slog.New(h.Foreign())
	logger.With("w", hostile{}).Warn("m", "a", hostile{}, "b", errors.New("x"), "c",
		guard.Seal(fmt.Errorf("y: %w", errors.New("z"))), "d", nil,
		"e", slog.GroupValue(slog.Any("f", hostile{})), "g", 7)
	require.NoError(t, h.Wait(t.Context(), time.Second))
	assert.Equal(t, []string{
		"level=WARN msg=m w=feed_test.hostile a=feed_test.hostile b=*errors.errorString " +
			`c="y: z" d=<nil> e.f=feed_test.hostile g=7`,
	}, target.all())
}
