// Package answering calls the functions that answer the questions of a queue.Bus. It contains what
// they do: a panic, a call of runtime.Goexit, or an answer that takes long.
package answering

import (
	"slices"
	"sync"
)

// most is the number of questions that wait for a function; those beyond are lost.
const most = 256

// Line calls a function for one question after the other, on a goroutine of its own. It must be
// made by [Start], and stopped. It is safe for concurrent use.
type Line struct {
	f     func(question []byte) []byte
	asked chan asked
	once  sync.Once
	stop  chan struct{}
	done  chan struct{}
}

// asked is a question, and the way back.
type asked struct {
	question []byte
	reply    func(answer []byte)
}

// Start returns a line that calls f.
func Start(f func(question []byte) []byte) *Line {
	l := &Line{f: f, asked: make(chan asked, most), stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

// Ask queues a question, and returns at once. reply is called with the answer of f, on the line's
// goroutine; it is not called if there is none, because f returns nil, fails, or has too much to
// do, or because the line is stopped.
func (l *Line) Ask(question []byte, reply func(answer []byte)) {
	select {
	case l.asked <- asked{slices.Clone(question), reply}:
	default: // it is lost
	}
}

// Stop ends the line, and waits until f and reply do not run any more. It is idempotent, and must
// not be called by f.
func (l *Line) Stop() {
	l.once.Do(func() { close(l.stop) })
	<-l.done
}

func (l *Line) run() {
	defer func() {
		if l.stopped() {
			close(l.done)
		} else {
			go l.run() // f has called runtime.Goexit
		}
	}()
	for {
		select {
		case <-l.stop:
			return
		case q := <-l.asked:
			if l.stopped() {
				return
			}
			if answer := l.call(q.question); answer != nil && !l.stopped() {
				q.reply(answer)
			}
		}
	}
}

func (l *Line) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// call returns the answer of f, and nil if f panics.
func (l *Line) call(question []byte) (answer []byte) {
	defer func() {
		if recover() != nil {
			answer = nil
		}
	}()
	return l.f(question)
}
