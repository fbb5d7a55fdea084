package nats

import (
	"slices"
	"strings"

	natsgo "github.com/nats-io/nats.go"

	"github.com/gentask/gentask/queue"
)

// A stream may have more subjects than its queue's name, such as "jobs.>". A message keeps its
// subject: its copies for the same queue have it, and its dead letter has it in a header, for when
// it is given back.

const (
	headerSubject  = "gentask-redrive-subject"
	headerExpected = "Nats-Expected-Stream"
)

// subjectOf returns the subject for copies of a message. The server does not tell a message's
// subject to the user of an account that imports the stream from another. A message that the
// stream has sourced from another may have a subject that is not the stream's. Copies of such
// messages go to the queue's own subject. The session's mu must be held.
func (s *session) subjectOf(in *intake, m *natsgo.Msg) string {
	if m.Subject == in.sub.Subject || !matchesAny(s.terms.subjects, m.Subject) {
		return s.queue
	}
	return m.Subject
}

// sameSubject makes the server refuse a copy if its subject is no longer the stream's.
func (s *session) sameSubject(c claim, copied *natsgo.Msg) *natsgo.Msg {
	if c.subject != s.queue {
		copied.Header[headerExpected] = []string{s.queue}
	}
	if c.from != "" {
		copied.Header[headerSubject] = []string{c.from}
	}
	return copied
}

// streamOf returns the stream that must store the copy of a settlement.
func (s *session) streamOf(c claim) string {
	switch {
	case c.suspect:
		return s.queue + suspectsSuffix
	case c.settlement.Disposition == queue.DeadLetter:
		return s.queue + deadSuffix
	}
	return s.queue
}

// home gives the copy of a letter the subject that its message had.
func (w *letterWalk) home(copied *natsgo.Msg) *natsgo.Msg {
	subject := w.raw.Header.Get(headerSubject)
	if subject == "" || !matchesAny(w.subjects, subject) {
		return copied
	}
	copied.Subject = subject
	copied.Header[headerExpected] = []string{w.q.name}
	return copied
}

// matchesAny reports whether a subject is one of any pattern's.
func matchesAny(patterns []string, subject string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, subject) })
}

// matches reports whether a subject without wildcards is one of a pattern's.
func matches(pattern, subject string) bool {
	for {
		p, morePattern, inPattern := strings.Cut(pattern, ".")
		s, moreSubject, inSubject := strings.Cut(subject, ".")
		switch {
		case p == ">":
			return true
		case p != "*" && p != s, inPattern != inSubject:
			return false
		case !inPattern:
			return true
		}
		pattern, subject = morePattern, moreSubject
	}
}
