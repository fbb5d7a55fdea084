package dashboard

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gentask/gentask/queue"
)

// lettersPage is the model of the list of a queue's dead letters.
type lettersPage struct {
	Queue    string
	Filter   letterFilter
	Filtered bool
	Rows     []letterView
	Groups   []groupView
	Read     int // letters that were read
	More     bool
	Fits     int // of those that were read
	First    int // the number of the first row, from 1
	Total    int // [queue.CountUnknown] if the queue can't be counted
	Hidden   int // those that Config.Redact has not returned
	Problem  string
	Lines    []string
	After    string // the cursor behind which letters were read; empty for the oldest ones
	Before   int    // how many letters were passed over for that, when the pages before were made
	Fresh    int    // how many letters the queue has more than when the page was made,
	Fewer    int    // or how many less
	Earlier  string // links to other pages; empty if there is none
	Later    string
	Behind   string // the letters behind those that were read
	Oldest   string
	Again    string // the same page, made again
	Whole    string // the page without a filter
	Redrive  string // the page that asks how to re-drive what the filter selects
	Purge    string
	Bulk     *bulkView
}

// letterView is a letter in the list.
type letterView struct {
	letterRow
	Link string
	Ago  time.Duration
}

// groupView is letters that died alike.
type groupView struct {
	Reason, Fingerprint string
	N                   int
	Newest              time.Duration // since the last one died
	Link                string
	key                 groupKey
	newest              time.Time
}

type groupKey struct{ fingerprint, like string }

// mostGroups is how many groups are shown.
const mostGroups = 20

func lettersModel(d *Dashboard, v *view) any {
	q := d.queueNamed(v.query.Get("queue"))
	if q == nil {
		return nil
	}
	name := q.Name()
	p := &lettersPage{Queue: name, Filter: filterOf(v.query), Bulk: d.bulkView(name), Total: queue.CountUnknown}
	v.Title = "Dead letters of " + name
	if a := v.countOf(name); a.err == nil && !a.at.IsZero() {
		p.Total = a.value.DeadLettered
	}
	p.Filtered = !p.Filter.empty()
	p.Again = p.link(v.query.Get("after"), numberOf(v.query, "before"), numberOf(v.query, "skip"))
	if v.fragmentsOnly {
		p.fresh(v.query)
		return p
	}
	v.saw(p.Total)
	p.After, p.Before = v.query.Get("after"), numberOf(v.query, "before")
	book := d.book(v.ctx, q, p.After)
	p.Read, p.More = len(book.rows), book.more
	if p.More && p.Read > 0 {
		p.Behind = p.link(book.next, p.Before+p.Read, 0)
	}
	if p.After != "" {
		p.Oldest = p.link("", 0, 0)
	}
	if book.err != nil {
		p.Problem, p.Lines = clip(book.err.Error(), 500), hints(book.err)
	}
	p.list(book.rows, v.query)
	p.Groups = groups(name, book.rows)
	p.Whole = "letters?" + url.Values{"queue": {name}}.Encode()
	bulk := p.Filter.values(name)
	bulk.Set("do", "redrive")
	p.Redrive = "bulk?" + bulk.Encode()
	bulk.Set("do", "purge")
	p.Purge = "bulk?" + bulk.Encode()
	return p
}

// fresh sets in p how many letters more or fewer there are than when the page was made. The
// broker's count does not show how many came and went meanwhile.
func (p *lettersPage) fresh(q url.Values) {
	if before, err := strconv.Atoi(q.Get(seen)); err == nil && before >= 0 && p.Total >= 0 {
		p.Fresh, p.Fewer = max(0, p.Total-before), max(0, before-p.Total)
	}
}

// Numbers returns those of the first and the last letter that was read, from 1, the oldest one.
func (p *lettersPage) Numbers() string {
	return number(p.Before+1) + " to " + number(p.Before+p.Read)
}

// numberOf returns a number of the query that is not negative; zero for what is none.
func numberOf(q url.Values, name string) int {
	n, _ := strconv.Atoi(q.Get(name))
	return max(0, n)
}

// link returns the address of a list of the letters behind the cursor after. So many letters
// precede them as before is. The list leaves out the first skip of those that the filter selects.
func (p *lettersPage) link(after string, before, skip int) string {
	v := p.Filter.values(p.Queue)
	if after != "" {
		v.Set("after", after)
		v.Set("before", strconv.Itoa(before))
	}
	if skip > 0 {
		v.Set("skip", strconv.Itoa(skip))
	}
	return "letters?" + v.Encode()
}

// list takes one page of the letters that the filter selects.
func (p *lettersPage) list(rows []letterRow, q url.Values) {
	skip := min(numberOf(q, "skip"), mostLetters)
	now := time.Now()
	for i := range rows {
		r := &rows[i]
		if r.Hidden {
			p.Hidden++
		}
		if !p.Filter.fits(r) {
			continue
		}
		if p.Fits++; p.Fits > skip && len(p.Rows) < pageLetters {
			link := url.Values{"queue": {p.Queue}, "key": {r.Key}}
			if p.After != "" {
				link.Set("after", p.After)
			}
			p.Rows = append(p.Rows, letterView{*r, "letter?" + link.Encode(), now.Sub(r.DeadAt)})
		}
	}
	p.First = skip + 1
	if skip > 0 {
		p.Earlier = p.link(p.After, p.Before, max(0, skip-pageLetters))
	}
	if skip+pageLetters < p.Fits {
		p.Later = p.link(p.After, p.Before, skip+pageLetters)
	}
}

// Last returns the number of the last row.
func (p *lettersPage) Last() int { return p.First + len(p.Rows) - 1 }

// groups returns the largest groups of letters: by the place of the panic, or by the reason.
func groups(name string, rows []letterRow) []groupView {
	byKey := map[groupKey]*groupView{}
	var all []*groupView
	for i := range rows {
		r := &rows[i]
		if r.Hidden {
			continue
		}
		key := groupKey{fingerprint: r.Fingerprint}
		if key.fingerprint == "" {
			key.like = r.Like
		}
		g := byKey[key]
		if g == nil {
			g = &groupView{Reason: r.Like, Fingerprint: r.Fingerprint, key: key}
			byKey[key] = g
			all = append(all, g)
		}
		g.N++
		if r.DeadAt.After(g.newest) {
			g.newest = r.DeadAt
		}
	}
	slices.SortStableFunc(all, func(a, b *groupView) int { return cmp.Compare(b.N, a.N) })
	var list []groupView
	for _, g := range all[:min(len(all), mostGroups)] {
		g.Newest = time.Since(g.newest)
		f := letterFilter{Fingerprint: g.key.fingerprint, Like: g.key.like}
		g.Link = "letters?" + f.values(name).Encode()
		list = append(list, *g)
	}
	return list
}
