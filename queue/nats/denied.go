package nats

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	natsgo "github.com/nats-io/nats.go"

	"github.com/gentask/gentask/queue"
)

// denials counts, for each subject on which a session publishes copies, the server's refusals
// because of missing rights. The server reports a refusal asynchronously, and not in an answer. A
// session that may consume but not publish stays open, and settles deliveries that need no copy.
type denials struct {
	mu    sync.Mutex
	api   string // the prefix of subjects that a session can't do without; see also ackPrefix
	times map[string]int
	next  chan struct{} // closed with the next denial
}

// maxDenied bounds the subjects that are counted. A publication that misses a denial because of it
// fails after confirmTimeout.
const maxDenied = 10_000

// init must be called before the others.
func (d *denials) init(api string) {
	d.api, d.times, d.next = api, map[string]int{}, make(chan struct{})
}

// publishing matches the server's error, and captures the subject.
var publishing = regexp.MustCompile(`(?i)violation for publish to "([^"]*)"`)

// copied returns the subject of a copy that err is about; empty if it is about another right.
func (d *denials) copied(err error) string {
	m := publishing.FindStringSubmatch(err.Error())
	if m == nil || strings.HasPrefix(m[1], d.api) || strings.HasPrefix(m[1], ackPrefix) {
		return ""
	}
	return m[1]
}

// note counts a denial, and reports whether err is about a copy.
func (d *denials) note(err error) bool {
	subject := d.copied(err)
	if subject == "" {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.times) >= maxDenied {
		clear(d.times)
	}
	d.times[subject]++
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
	return fmt.Errorf("%w: %w: the user may not publish to %q, must have that right: %w", queue.ErrConfig, ErrRefused,
		subject, natsgo.ErrPermissionViolation)
}

// lacksRight reports whether the server's last error was about a right, except that to publish
// copies.
func (d *denials) lacksRight(last error) bool {
	return errors.Is(last, natsgo.ErrPermissionViolation) && d.copied(last) == ""
}
