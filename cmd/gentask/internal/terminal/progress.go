package terminal

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Times of a progress line.
const (
	progressAfter = time.Second // what takes less shows nothing
	progressEvery = 200 * time.Millisecond
)

// Progress shows how far something is, on one line that changes, with its rate and the time that is
// left. It shows nothing in the first second, and nothing at all where the messages don't go to a
// terminal. Use [Screen.Progress] to make one, and end it.
type Progress struct {
	done  atomic.Int64
	stop  chan struct{}
	work  sync.WaitGroup
	begun time.Time
	what  string
	total int
}

// Progress begins a progress line about total things; zero means that their number is not known.
func (s *Screen) Progress(what string, total int) *Progress {
	p := &Progress{stop: make(chan struct{}), begun: time.Now(), what: what, total: total}
	if s.talks {
		p.work.Go(func() { p.show(s) })
	}
	return p
}

// Add counts n things that are done. It is safe for concurrent use.
func (p *Progress) Add(n int) { p.done.Add(int64(n)) }

// End removes the line.
func (p *Progress) End() {
	close(p.stop)
	p.work.Wait()
}

func (p *Progress) show(s *Screen) {
	next := time.NewTimer(progressAfter)
	defer next.Stop()
	shown := false
	for {
		select {
		case <-p.stop:
			if shown {
				_, _ = fmt.Fprint(s.err, "\r\x1b[K") // a line to look at, and no more
			}
			return
		case <-next.C:
			shown = true
			_, _ = fmt.Fprint(s.err, "\r"+p.line(time.Now())+"\x1b[K") // likewise
			next.Reset(progressEvery)
		}
	}
}

// line returns the text at a time.
func (p *Progress) line(now time.Time) string {
	done, took := int(p.done.Load()), now.Sub(p.begun)
	rate := float64(done) / max(took.Seconds(), 1e-3)
	if p.total <= 0 {
		return fmt.Sprintf("%s: %d, %.0f/s", p.what, done, rate)
	}
	left := "?"
	if done > 0 {
		left = (took * time.Duration(max(p.total-done, 0)) / time.Duration(done)).Round(time.Second).String()
	}
	return fmt.Sprintf("%s: %d of %d, %.0f/s, %s left", p.what, done, p.total, rate, left)
}
