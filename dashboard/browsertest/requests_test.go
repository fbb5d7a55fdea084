package browsertest

import (
	"net/http"
	"strings"
	"sync"
)

// requests is a handler that keeps what it has answered.
type requests struct {
	next http.Handler

	mu  sync.Mutex
	all []string // such as "GET /queue"
}

func (h *requests) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.next.ServeHTTP(w, r)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, r.Method+" "+r.URL.Path)
}

// count returns how many requests end so.
func (h *requests) count(end string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range h.all {
		if strings.HasSuffix(one, end) {
			n++
		}
	}
	return n
}
