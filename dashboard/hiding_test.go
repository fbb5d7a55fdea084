package dashboard_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// hiding is a queue whose letters are hidden from others while a walk has them, as on RabbitMQ.
type hiding struct {
	*memory.Queue
	mu      sync.Mutex
	letters []queue.Message
	given   []string
}

func (h *hiding) Letters() *queue.Letters { return queue.NewLetters(h) }

func (h *hiding) OpenLetters(context.Context) (queue.LetterWalk, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := &hidingWalk{queue: h, left: h.letters}
	h.letters = nil
	return w, nil
}

type hidingWalk struct {
	queue        *hiding
	left, passed []queue.Message
}

func (w *hidingWalk) Next(context.Context) (queue.Message, error) {
	if len(w.left) == 0 {
		return queue.Message{}, io.EOF
	}
	m := w.left[0]
	w.left, w.passed = w.left[1:], append(w.passed, m)
	return m, nil
}

// Redrive gives a letter back, which dies again at once.
func (w *hidingWalk) Redrive(context.Context, queue.Rewrite) (bool, error) {
	w.queue.mu.Lock()
	defer w.queue.mu.Unlock()
	w.queue.given = append(w.queue.given, w.passed[len(w.passed)-1].ID)
	return true, nil
}

func (w *hidingWalk) Remove(context.Context) (bool, error) { return false, nil }

func (w *hidingWalk) Close(context.Context) error {
	w.queue.mu.Lock()
	defer w.queue.mu.Unlock()
	w.queue.letters = append(w.queue.letters, append(w.passed, w.left...)...)
	return nil
}

// TestActions_WhileAPageReads: a re-drive that begins while a page holds the letters gives each of
// them back all the same, and once, though they die again.
func TestActions_WhileAPageReads(t *testing.T) {
	h := &hiding{Queue: memory.New(memory.Config{Name: "hiding"})}
	t.Cleanup(h.Close)
	for i := range 5 {
		h.letters = append(h.letters, queue.Message{ID: strconv.Itoa(i)})
	}
	reading, goOn := make(chan struct{}, 100), make(chan struct{})
	w := newWorld(t, "emails", func(c *dashboard.Config) {
		c.Queues = append(c.Queues, h)
		c.Redact = func(_ string, body []byte, headers map[string]string) ([]byte, map[string]string) {
			reading <- struct{}{}
			<-goOn
			return body, headers
		}
	})
	w.get("/")
	var page sync.WaitGroup
	page.Go(func() { w.get("/letters?queue=hiding") })
	<-reading // it has them all
	res := w.post(of("queue", "hiding"), "do", "redrive")
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	close(goOn)
	page.Wait()
	w.eventually("/letters?queue=hiding", "5 given back")
	h.mu.Lock()
	defer h.mu.Unlock()
	require.ElementsMatch(t, []string{"0", "1", "2", "3", "4"}, h.given)
}
