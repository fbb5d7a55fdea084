package terminal

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestProgress shows nothing in the first second, then the rate and the time that is left, and
// leaves no trace.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shown locked
		s := New(Config{Out: &shown, Err: &shown, In: strings.NewReader("")})
		s.talks = true
		p := s.Progress("given back", 40)
		p.Add(10)
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		require.Empty(t, shown.String())
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		require.Contains(t, shown.String(), "given back: 10 of 40, 5/s, 6s left")
		p.End()
		require.True(t, strings.HasSuffix(shown.String(), "\r\x1b[K"))

		p = s.Progress("published", 0)
		defer p.End()
		p.Add(3)
		require.Equal(t, "published: 3, 1/s", p.line(time.Now().Add(3*time.Second)))
	})
}

// TestProgress_InAPipe shows nothing.
func TestProgress_InAPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shown locked
		p := New(Config{Out: &shown, Err: &shown, In: strings.NewReader("")}).Progress("given back", 1)
		time.Sleep(time.Minute)
		p.End()
		require.Empty(t, shown.String())
	})
}

// locked is a buffer for concurrent use.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(data)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
