package dashboard

import (
	"bytes"
	"hash/maphash"
	"net/http"
	"time"
)

const (
	// mostStreams is how many streams may be open. Further ones get status 503.
	mostStreams = 256

	// streamFor is how long a stream lives. The browser opens the next one by itself, and is asked
	// for its access again.
	streamFor = 5 * time.Minute

	// writeTime is how long a viewer may take to read what is written.
	writeTime = 10 * time.Second

	// stillAlive is the least time between two writes, so that proxies keep the connection.
	stillAlive = 15 * time.Second
)

// serveStream sends the fragments of a page whenever there is a new sample, as events named by the
// fragments. A fragment that has not changed is left out.
func (d *Dashboard) serveStream(w http.ResponseWriter, r *http.Request, level Access) {
	p := pageNamed(r.URL.Query().Get("page"))
	if p == nil || len(p.live) == 0 {
		d.notFound(w, r)
		return
	}
	select {
	case d.streams <- struct{}{}:
		defer func() { <-d.streams }()
	default:
		w.Header().Set("Retry-After", "10")
		d.fail(w, r, http.StatusServiceUnavailable, "Too many pages are open", "Close some, or load this one again.")
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	s := &stream{board: d, page: p, level: level, r: r, w: w, to: http.NewResponseController(w)}
	s.run()
}

// stream is one viewer of a page.
type stream struct {
	board *Dashboard
	page  *page
	level Access
	r     *http.Request
	w     http.ResponseWriter
	to    *http.ResponseController
	seed  maphash.Seed
	sent  map[string]uint64 // a hash of what each fragment was
	at    time.Time         // of the last write
}

func (s *stream) run() {
	news, stop := s.board.sampler.watch(s.page.wants)
	defer stop()
	end := time.NewTimer(streamFor)
	defer end.Stop()
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would gather the events
	s.seed, s.sent = maphash.MakeSeed(), map[string]uint64{}
	defer func() { _ = s.to.SetWriteDeadline(time.Time{}) }() // the connection may go on
	for ok := s.write([]byte("retry: 1000\n\n")); ok; ok = s.send() {
		select {
		case <-news:
		case <-end.C:
			return
		case <-s.r.Context().Done():
			return
		case <-s.board.life.Done():
			return
		}
	}
}

// send writes the fragments that have changed, and reports whether the viewer is still there.
func (s *stream) send() bool {
	v := s.board.view(s.page, s.r, s.level)
	v.fragmentsOnly = true
	if v.Data = s.page.model(s.board, v); v.Data == nil {
		return s.alive(nil)
	}
	v.Token = sentToken(s.r)
	var out, one bytes.Buffer
	for _, name := range s.page.live {
		one.Reset()
		if err := s.board.pages[s.page.name].ExecuteTemplate(&one, "live."+name, v); err != nil {
			s.board.hooks.log.Error("dashboard: a fragment could not be made", "fragment", name, "error", err)
			return false
		}
		text := visible(one.Bytes())
		if sum := maphash.Bytes(s.seed, text); s.sent[name] != sum {
			s.sent[name] = sum
			appendEvent(&out, name, text)
		}
	}
	return s.alive(out.Bytes())
}

// alive writes text, or a comment if there has been nothing for long.
func (s *stream) alive(text []byte) bool {
	if len(text) == 0 {
		if time.Since(s.at) < stillAlive {
			return true
		}
		text = []byte(":\n\n")
	}
	return s.write(text)
}

func (s *stream) write(text []byte) bool {
	s.at = time.Now()
	_ = s.to.SetWriteDeadline(s.at.Add(writeTime)) // a server without deadlines has other means
	if _, err := s.w.Write(text); err != nil {
		return false
	}
	return s.to.Flush() == nil
}

// appendEvent adds an event to out. Each line of its text is a line of data.
func appendEvent(out *bytes.Buffer, name string, text []byte) {
	out.WriteString("event: " + name + "\n")
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out.WriteString("data: ")
			out.Write(line)
			out.WriteByte('\n')
		}
	}
	out.WriteString("\n")
}
