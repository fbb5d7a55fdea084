package dashboard

import (
	"time"

	"github.com/gentask/gentask/queue"
)

// bulkView is the progress of the re-drive or purge of many letters.
type bulkView struct {
	Queue   string
	Purge   bool
	Running bool
	Stopped bool
	Seen    int // letters that were looked at
	N       int // letters that were done
	Rate    float64
	For     time.Duration
	Author  string
	Filter  string
	Problem string
	Lines   []string
}

// showBulk is for how long the end of a bulk is shown.
const showBulk = 10 * time.Minute

// bulkView returns the progress of a queue's last bulk; nil if there was none in the last minutes.
func (d *Dashboard) bulkView(name string) *bulkView {
	b := d.bulk.of(name)
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended.IsZero() && time.Since(b.ended) > showBulk {
		return nil
	}
	v := &bulkView{
		Queue: name, Purge: b.purge, Running: b.ended.IsZero(), Stopped: b.stopped.Load(), Author: b.action.Author,
		Seen: int(b.seen.Load()), N: int(b.taken.Load()), Filter: b.filter.String(), For: time.Since(b.action.Time),
	}
	if !v.Running {
		v.N, v.For = b.n, b.ended.Sub(b.action.Time)
	}
	if b.err != nil {
		v.Problem, v.Lines = clip(b.err.Error(), 500), hints(b.err)
	}
	if s := v.For.Seconds(); s > 0 {
		v.Rate = float64(v.N) / max(s, 0.1)
	}
	return v
}

// bulkPage is the model of the page that asks how to treat the letters that a filter selects.
type bulkPage struct {
	Queue   string
	Purge   bool
	Filter  string
	All     bool // of all letters
	Fits    int  // of those that were read
	Read    int
	More    bool
	Total   int // [queue.CountUnknown] if it is not known
	Problem string
	Lines   []string
	Action  string // the address of the form
	Back    string
	Busy    *bulkView
}

func bulkModel(d *Dashboard, v *view) any {
	q := d.queueNamed(v.query.Get("queue"))
	if q == nil {
		return nil
	}
	name, filter := q.Name(), filterOf(v.query)
	p := &bulkPage{
		Queue: name, Purge: v.query.Get("do") == "purge", Filter: filter.String(), All: filter.empty(),
		Total: queue.CountUnknown, Back: "letters?" + filter.values(name).Encode(),
		Action: "action?" + filter.values(name).Encode(),
	}
	v.Title = "Re-drive letters of " + name
	if p.Purge {
		v.Title = "Purge letters of " + name
	}
	if a := v.countOf(name); a.err == nil && !a.at.IsZero() {
		p.Total = a.value.DeadLettered
	}
	if b := d.bulkView(name); b != nil && b.Running {
		p.Busy = b
	}
	book := d.book(v.ctx, q, "")
	p.Read, p.More = len(book.rows), book.more
	if book.err != nil {
		p.Problem, p.Lines = clip(book.err.Error(), 500), hints(book.err)
	}
	for i := range book.rows {
		if filter.fits(&book.rows[i]) {
			p.Fits++
		}
	}
	return p
}
