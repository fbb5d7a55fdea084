package dashboard

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// grave is a queue of dead letters that counts the walks over them.
type grave struct {
	*memory.Queue
	letters atomic.Int64

	mu    sync.Mutex
	walks []time.Time // their begins
}

func (g *grave) Inspect(context.Context) (queue.Stats, error) {
	return queue.Stats{DeadLettered: int(g.letters.Load())}, nil
}

func (g *grave) Letters() *queue.Letters { return queue.NewLetters(g) }

func (g *grave) OpenLetters(context.Context) (queue.LetterWalk, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.walks = append(g.walks, time.Now())
	return &graveWalk{left: int(g.letters.Load())}, nil
}

type graveWalk struct{ at, left int }

func (w *graveWalk) Next(context.Context) (queue.Message, error) {
	if w.at++; w.at > w.left {
		return queue.Message{}, io.EOF
	}
	return queue.Message{ID: strconv.Itoa(w.at)}, nil
}

func (*graveWalk) Redrive(context.Context, queue.Rewrite) (bool, error) { return false, nil }
func (*graveWalk) Remove(context.Context) (bool, error)                 { return false, nil }
func (*graveWalk) Close(context.Context) error                          { return nil }

func graveBoard(t *testing.T, letters int64) (*grave, *Dashboard) {
	t.Helper()
	g := &grave{Queue: memory.New(memory.Config{Name: "emails"})}
	t.Cleanup(g.Close)
	g.letters.Store(letters)
	return g, newDashboard(nil, &fake{}, Config{
		Queues: []Queue{g}, Access: func(*http.Request) Access { return AccessRead },
	}.orDefaults())
}

func loaded(t *testing.T, d *Dashboard, path string) string {
	t.Helper()
	rec := httptest.NewRecorder()
	d.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	require.Equal(t, http.StatusOK, rec.Code)
	return rec.Body.String()
}

// TestLetters_Live: the list stands still, and a line has how many letters have come or gone since
// it was made. No letter is read for that.
func TestLetters_Live(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, d := graveBoard(t, 1500)
		defer d.Close()
		first := loaded(t, d, "/letters?queue=emails")
		stream := html.UnescapeString(regexp.MustCompile(`sse-connect="stream\?page=letters&amp;([^"]*)"`).FindStringSubmatch(first)[1])
		require.NotContains(t, first, "since this page was made")
		v := open(t, d, "letters&"+strings.ReplaceAll(stream, "queue=emails", "x=y"), nil)
		defer func() { v.leave(); <-v.ended }()
		time.Sleep(3 * time.Second)
		require.NotContains(t, v.take(), "since this page was made")
		g.letters.Add(12)
		time.Sleep(2 * time.Second)
		got := v.take()
		require.Contains(t, got, "12 new letters since this page was made")
		require.Equal(t, 1, strings.Count(got, "event: "), "nothing else has changed")
		g.letters.Add(-15)
		time.Sleep(2 * time.Second)
		require.Contains(t, v.take(), "3 letters less than when this page was made")
		g.letters.Add(3)
		time.Sleep(2 * time.Second)
		require.NotContains(t, v.take(), "this page was made")
		require.Len(t, g.walks, 1)
		again := html.UnescapeString(regexp.MustCompile(`href="(letters\?[^"]*)"`).FindStringSubmatch(got)[1])
		require.Contains(t, loaded(t, d, "/"+again), "1,500")
	})
}

// TestLetters_OneWalkASecond: however many look at however many parts, the letters of a queue are
// walked over once a second at most, and once for all who look at the same part.
func TestLetters_OneWalkASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, d := graveBoard(t, 10)
		defer d.Close()
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() { loaded(t, d, "/letters?queue=emails&after=n"+strconv.Itoa(1+i%3)) })
		}
		all.Wait()
		require.Len(t, g.walks, 3)
		for i := range 20 {
			loaded(t, d, "/letters?queue=emails&after=n"+strconv.Itoa(1+i))
		}
		for i := 1; i < len(g.walks); i++ {
			require.GreaterOrEqual(t, g.walks[i].Sub(g.walks[i-1]), time.Second)
		}
		s := d.letters.shelf("emails")
		require.LessOrEqual(t, len(s.books), mostBooks)
	})
}
