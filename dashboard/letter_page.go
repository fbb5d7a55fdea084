package dashboard

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
)

// letterPage is the model of the page of one letter.
type letterPage struct {
	Queue, Key string
	Problem    string
	Lines      []string
	Hidden     bool // Config.Redact has failed
	queue.Letter
	Body    body
	Head    []header
	Kind    string
	Ago     time.Duration
	Related string // the letters of the same group
}

// header is a header of a message.
type header struct{ Name, Value string }

const (
	// mostHeader is the most bytes of a header that are shown, and mostHeaders how many headers.
	mostHeader  = 4 << 10
	mostHeaders = 200
)

func letterModel(d *Dashboard, v *view) any {
	q := d.queueNamed(v.query.Get("queue"))
	if q == nil {
		return nil
	}
	p := &letterPage{Queue: q.Name(), Key: v.query.Get("key")}
	l, err := d.find(v.ctx, q, p.Key, v.query.Get("after"))
	if err != nil {
		p.Problem, p.Lines = clip(err.Error(), 500), hints(err)
		return p
	}
	shown, ok := d.redacted(v.ctx, q.Name(), l)
	if !ok {
		p.Hidden = true
		return p
	}
	p.Letter, p.Kind, p.Ago = shown, shown.Headers[queue.HeaderKind], time.Since(shown.DeadAt)
	p.Body = bodyOf(shown.Message.Body)
	p.Head = headersOf(shown.Headers)
	f := letterFilter{Fingerprint: shown.Fingerprint}
	if f.Fingerprint == "" {
		f.Like = pattern(shown.Reason)
	}
	p.Related = "letters?" + f.values(q.Name()).Encode()
	return p
}

// headersOf returns the headers in the order of their names, without those that the page shows
// elsewhere.
func headersOf(all map[string]string) []header {
	var list []header
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch name {
		case queue.HeaderReason, queue.HeaderStack, queue.HeaderLog, queue.HeaderHistory:
			continue
		}
		if len(list) == mostHeaders {
			break
		}
		list = append(list, header{clip(name, mostHeader), clip(all[name], mostHeader)})
	}
	return list
}

// Frames returns how many functions the stack has, at least.
func (p *letterPage) Frames() int { return strings.Count(p.Stack, "\n\t") }
