package browsertest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/queue"
)

// TestFirstLoad: a reader who comes for the first time receives at most 60 KiB, with all assets.
func TestFirstLoad(t *testing.T) {
	s := openBusyShop(t)
	p := newTab(t)
	p.received()
	p.visit(s.url)
	p.until("all is loaded", `performance.getEntriesByType('resource').every(e => e.responseEnd > 0)`)
	n := p.received()
	t.Logf("%d bytes", n)
	require.Greater(t, n, 5_000)
	require.Less(t, n, 60<<10)
}

// clipped are the figures that are too long for their place.
const clipped = `[...document.querySelectorAll('.figures dd')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)`

// crowded is a queue in which a million messages seem to wait.
type crowded struct{ work }

func (q crowded) Inspect(ctx context.Context) (queue.Stats, error) {
	stats, err := q.work.Inspect(ctx)
	stats.Ready = 1_000_000
	return stats, err
}

// TestCrowdedQueue: with a million messages and 5,000 dead letters, a page of the queue takes 100
// ms. The race detector and a busy machine may cost several times as much.
func TestCrowdedQueue(t *testing.T) {
	s := openShop(t, inMemory(t), func(c *dashboard.Config) { c.Queues[0] = crowded{c.Queues[0].(work)} })
	s.publish("fail", 5_000)
	s.letters(5_000)
	p := newTab(t)
	p.visit(s.url)
	p.visit(s.queuePage())
	p.until("the page has the million", `document.body.innerText.includes('1,000,000')`)
	for _, width := range []int64{380, 1280} {
		p.resize(width, 900)
		require.Empty(t, eval[[]string](p, clipped), "figures that can't be read at a width of %d", width)
	}
	pages := []string{s.url, s.queuePage(), s.url + "letters?" + s.query()}
	p.visit(pages[2])
	for _, link := range []string{`main a[href*="like="]`, `main a[href^="letter?"]`, `main a[href^="bulk?"]`} {
		pages = append(pages, eval[string](p, fmt.Sprintf("document.querySelector(%q).href", link)))
	}
	for _, at := range pages {
		took := make([]time.Duration, 5)
		for i := range took {
			start := time.Now()
			get(t, at)
			took[i] = time.Since(start)
		}
		slices.Sort(took)
		t.Log(took[0], took[2], at)
		require.Less(t, took[0], 500*time.Millisecond, at)
	}
}

func get(t testing.TB, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, url)
	return string(body)
}
