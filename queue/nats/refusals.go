package nats

import (
	"context"
	"fmt"
	"regexp"
	"sync"
)

// refusals ends the requests that the server refuses because of missing rights, which it reports
// asynchronously, and not in an answer.
type refusals struct {
	mu      sync.Mutex
	waiting map[*refusable]bool
}

// refusable is a request that waits for its answer.
type refusable struct {
	subject string
	cancel  context.CancelCauseFunc
}

// about matches the server's error, and captures the subject. Without the right to subscribe there
// are no answers at all.
var about = regexp.MustCompile(`(?i)violation for (publish|subscription) to "([^"]*)"`)

// await cancels a request when its subject is refused, until done is called.
func (r *refusals) await(subject string, cancel context.CancelCauseFunc) (done func()) {
	one := &refusable{subject: subject, cancel: cancel}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.waiting = map[*refusable]bool{}
	}
	r.waiting[one] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.waiting, one)
	}
}

// note ends the requests that err is about.
func (r *refusals) note(err error) {
	m := about.FindStringSubmatch(err.Error())
	if m == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for one := range r.waiting {
		if m[1] != "publish" && m[1] != "Publish" || m[2] == one.subject {
			one.cancel(fmt.Errorf("%w: %w", ErrRefused, err))
		}
	}
}
