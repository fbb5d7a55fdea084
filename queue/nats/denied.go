package nats

import (
	"errors"
	"fmt"
	"regexp"
	"sync"

	natsgo "github.com/nats-io/nats.go"
)

// denials are the subjects on which a session publishes copies, and how often the server has refused that for want of rights. It tells so on
// the side, and not in an answer; a session that may consume and not publish lives on, and settles what needs no copy.
type denials struct {
	mu    sync.Mutex
	times map[string]int
	next  chan struct{} // closed with the next denial
}

// allow has denials of these subjects noted.
func (d *denials) allow(subjects ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.times, d.next = map[string]int{}, make(chan struct{})
	for _, s := range subjects {
		d.times[s] = 0
	}
}

// publishing is how the server says which subject it was.
var publishing = regexp.MustCompile(`(?i)violation for publish to "([^"]*)"`)

// note notes a denial, and reports whether it is one of those.
func (d *denials) note(err error) bool {
	m := publishing.FindStringSubmatch(err.Error())
	if m == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ours := d.times[m[1]]; !ours {
		return false
	}
	d.times[m[1]]++
	close(d.next)
	d.next = make(chan struct{})
	return true
}

// of returns how often the subject was denied, and a channel that is closed with the next denial.
func (d *denials) of(subject string) (times int, next <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.times[subject], d.next
}

// denied is the error of a copy that may not be published.
func denied(subject string) error {
	return fmt.Errorf("%w: publishing to %q: %w", ErrRefused, subject, natsgo.ErrPermissionViolation)
}

// lacksRight reports whether the last complaint of the server was about a right, that to publish copies aside.
func (d *denials) lacksRight(last error) bool {
	if !errors.Is(last, natsgo.ErrPermissionViolation) {
		return false
	}
	m := publishing.FindStringSubmatch(last.Error())
	if m == nil {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ours := d.times[m[1]]
	return !ours
}
