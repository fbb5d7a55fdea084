package nats

import (
	"errors"
	"fmt"
	"regexp"
	"sync"

	natsgo "github.com/nats-io/nats.go"
)

// denials counts, for each subject on which a session publishes copies, the server's refusals
// because of missing rights. The server reports a refusal asynchronously, and not in an answer. A
// session that may consume but not publish stays open, and settles deliveries that need no copy.
type denials struct {
	mu    sync.Mutex
	times map[string]int
	next  chan struct{} // closed with the next denial
}

// allow makes note count the denials of these subjects.
func (d *denials) allow(subjects ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.times, d.next = map[string]int{}, make(chan struct{})
	for _, s := range subjects {
		d.times[s] = 0
	}
}

// publishing matches the server's error, and captures the subject.
var publishing = regexp.MustCompile(`(?i)violation for publish to "([^"]*)"`)

// note counts a denial, and reports whether err is one of these subjects.
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

// of returns the number of denials of the subject, and a channel that is closed with the next
// denial.
func (d *denials) of(subject string) (times int, next <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.times[subject], d.next
}

// denied returns the error of a copy that must not be published.
func denied(subject string) error {
	return fmt.Errorf("%w: publishing to %q: %w", ErrRefused, subject, natsgo.ErrPermissionViolation)
}

// lacksRight reports whether the server's last error was about a right, except that to publish
// copies.
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
