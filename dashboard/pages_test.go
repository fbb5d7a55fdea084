package dashboard_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/schedule"
)

// hostile is a text as no one means well who publishes it.
const hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{.}}\u202etxt\u2066\u200b\x00\x1b[31m\xff&amp;"

// inline finds what a strict Content-Security-Policy would refuse.
var inline = regexp.MustCompile(`(?i)<style|\sstyle=|<script(?:\s+defer)?\s*>|<script[^>]*>[^<]|<[^>]*\son[a-z]+\s*=|<iframe|<object|<base`)

// value is the value of an attribute.
var value = regexp.MustCompile(`="[^"]*"|='[^']*'`)

// TestPages_ShowHostileTexts: each page renders with hostile names, bodies, headers and reasons.
// None of them becomes markup, misleads by its direction, or is outside UTF-8.
func TestPages_ShowHostileTexts(t *testing.T) {
	name := "<b>q\"' \u202e&x=1"
	w := newWorld(t, name, func(c *dashboard.Config) {
		dead := memory.New(memory.Config{Name: "dead " + hostile})
		t.Cleanup(dead.Close)
		for _, body := range []string{hostile, `{"a":"</pre><script>x</script>","b":[1,2]}`, "\x00\x01\xfe", strings.Repeat("<", 1<<20+5), ""} {
			bury(t, dead, hostile, "goroutine 1 [running]:\npanic({0x1,0x2})\n\t/go/panic.go:1\nmain."+hostile+"(...)\n\t/main.go:1\n",
				queue.Message{ID: hostile, Body: []byte(body), Headers: map[string]string{hostile: hostile, "gentask-kind": hostile}})
		}
		c.Queues = append(c.Queues, dead)
	})
	w.publish(hostile+"1", hostile+"2")
	<-w.running
	_, err := w.node.SetRate(t.Context(), name, &gentask.Rate{PerSecond: 7}, gentask.Author{By: "\u202e<i>", Reason: "<u>\x1b"})
	require.NoError(t, err)
	require.NoError(t, w.plans.Put(t.Context(), schedule.Plan{Name: "<p>\u202e", Cron: "@daily"}))

	q, dead := url.QueryEscape(name), url.QueryEscape("dead "+hostile)
	w.eventually("/queue?queue="+q, "7/s")
	letters := w.get("/letters?queue=" + dead)
	paths := []string{
		"/", "/queue?queue=" + q, "/queue?queue=" + dead, "/jobs", "/jobs?queue=" + q, "/job?job=" + url.QueryEscape(hostile+"1"),
		"/letters?queue=" + dead, "/letters?queue=" + dead + "&reason=" + url.QueryEscape(hostile), "/letters?queue=" + dead + "&id=x",
		"/bulk?do=purge&queue=" + dead, "/bulk?queue=" + dead + "&reason=" + url.QueryEscape(hostile),
		"/events", "/events?id=" + url.QueryEscape(hostile), "/job?stack=yes&job=" + url.QueryEscape(hostile+"1"),
		"/plans", "/node?node=" + url.QueryEscape("node<1>"), "/node?node=" + url.QueryEscape(hostile), "/commands", "/?live=off",
	}
	one := links(letters, "letter?")
	require.Len(t, one, 5)
	for _, l := range one {
		paths = append(paths, "/"+l)
	}
	for _, path := range paths {
		page := w.get(path)
		require.NotContains(t, page, "<script>alert", path)
		require.NotContains(t, page, "<img", path)
		require.NotContains(t, page, "<b>q", path)
		require.Empty(t, inline.FindString(value.ReplaceAllString(page, "=")), path)
		require.True(t, utf8.ValidString(page), path)
		require.Equal(t, -1, strings.IndexFunc(page, func(r rune) bool {
			return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Cc, r) && r != '\n' && r != '\t'
		}), path)
	}
	require.Contains(t, w.get("/plans"), "&lt;p&gt;[U+202E]")
}

// TestPages_HaveTheirHeaders, errors and assets included.
func TestPages_HaveTheirHeaders(t *testing.T) {
	w := newWorld(t, "emails", nil)
	asset := links(w.get("/"), "assets/style.")[0]
	for path, status := range map[string]int{
		"/": 200, "/queue?queue=emails": 200, "/queue": 404, "/none": 404, "/a/b/c": 404, "/" + asset: 200, "/assets/none.css": 404,
		"/letters?queue=none": 404, "/letter?queue=none": 404, "/bulk?queue=none": 404, "/stream?page=none": 404, "/job": 404, "/node": 404,
	} {
		res := w.do(w.request(http.MethodGet, path, ""))
		require.Equal(t, status, res.StatusCode, path)
		require.Contains(t, res.Header.Get("Content-Security-Policy"), "default-src 'none'", path)
		require.NotContains(t, res.Header.Get("Content-Security-Policy"), "unsafe", path)
		require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "same-origin", res.Header.Get("Referrer-Policy"), path)
		if path == "/"+asset {
			require.Contains(t, res.Header.Get("Cache-Control"), "immutable")
		} else {
			require.Equal(t, "no-store", res.Header.Get("Cache-Control"), path)
		}
	}
	res := w.do(w.request(http.MethodHead, "/", ""))
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Empty(t, res.body)
}

// TestPages_AreThereWithoutFleet, with queues only.
func TestPages_AreThereWithoutFleet(t *testing.T) {
	q := memory.New(memory.Config{Name: "emails"})
	defer q.Close()
	d, err := dashboard.New(nil, dashboard.Config{
		Queues: []dashboard.Queue{q}, Access: func(*http.Request) dashboard.Access { return dashboard.AccessRead },
	})
	require.NoError(t, err)
	defer d.Close()
	w := &world{T: t, Dashboard: d}
	require.Contains(t, w.get("/"), "emails")
	require.NotContains(t, w.get("/queue?queue=emails"), "Steer")
	require.NotContains(t, w.get("/"), `href="jobs"`)
	for _, path := range []string{"/commands", "/plans", "/node?node=x", "/job?job=x"} {
		require.Equal(t, http.StatusNotFound, w.do(w.request(http.MethodGet, path, "")).StatusCode, path)
	}
}

// TestPages_EveryTableHasHeadings, and every input a label or a hidden type.
func TestPages_EveryTableHasHeadings(t *testing.T) {
	w := newWorld(t, "emails", nil)
	bury(t, w.deadQueue(), "boom", "", queue.Message{ID: "a"})
	require.NoError(t, w.plans.Put(t.Context(), schedule.Plan{Name: "daily", Cron: "@daily"}))
	w.publish("one")
	<-w.running
	for _, path := range []string{"/", "/queue?queue=emails", "/jobs", "/plans", "/commands", "/node?node=node%3C1%3E"} {
		page := w.get(path)
		require.Equal(t, strings.Count(page, "<th"), strings.Count(page, "<th scope=")+strings.Count(page, "<thead"), path)
		require.Equal(t, 1, strings.Count(page, "<h1"), path)
		require.Equal(t, 1, strings.Count(page, "<main"), path)
		require.Contains(t, page, `<html lang="en">`, path)
		for _, in := range regexp.MustCompile(`(?:<label[^>]*>[^<]*)?<(?:input|select)[^>]*>`).FindAllString(page, -1) {
			require.Regexp(t, `type="hidden"|^<label`, in, path)
		}
	}
}

// deadQueue returns the queue, which no consumer takes letters from.
func (w *world) deadQueue() *memory.Queue {
	q := memory.New(memory.Config{Name: "dead"})
	w.Cleanup(q.Close)
	return q
}

// TestLetters_Pages: a list shows at most 200 letters of at most 1,000, and the links lead to all
// of them, each once. Each has its page, also far behind.
func TestLetters_Pages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{Name: "dead"})
		defer q.Close()
		msgs := make([]queue.Message, 2500)
		for i := range msgs {
			msgs[i] = queue.Message{ID: fmt.Sprintf("m%d", i)}
		}
		bury(t, q, "order 17 of \"bob\" failed", "", msgs...)
		bury(t, q, "other", "", queue.Message{ID: "late"})
		w := newWorld(t, "emails", func(c *dashboard.Config) { c.Queues = append(c.Queues, q) })
		page, seen := w.get("/letters?queue=dead"), map[string]int{}
		require.Contains(t, page, "Of the first 1,000 letters")
		require.Contains(t, page, "order # of &#34;…&#34; failed")
		require.NotContains(t, page, "The oldest letters")
		for pages := 1; ; pages++ {
			all := links(page, "letter?")
			for _, link := range all {
				seen[link[strings.Index(link, "key="):]]++
			}
			next := linkOf(page, "Next")
			if next == "" {
				require.Equal(t, 13, pages)
				require.Contains(t, w.get("/"+all[len(all)-1]), "other", "the page of the last letter")
				break
			}
			require.Len(t, all, 200)
			page = w.get("/" + next)
		}
		require.Len(t, seen, 2501)
		require.Contains(t, page, "Of the letters 2,001 to 2,501")
		require.Contains(t, w.get("/"+linkOf(page, "The oldest letters")), "Of the first 1,000")

		page = w.get("/letters?queue=dead&reason=other")
		require.Contains(t, page, "None of the first 1,000")
		page = w.get("/" + linkOf(page, "The letters behind them"))
		require.Contains(t, page, "None of the letters 1,001 to 2,000")
		require.Len(t, links(w.get("/"+linkOf(page, "The letters behind them")), "letter?"), 1)
		require.Len(t, links(w.get("/letters?queue=dead&id=m7"), "letter?"), 1)
		require.Contains(t, w.get("/letters?queue=dead&after=p2501&before=2501"), "No letter is behind the first 2,501")
		require.Contains(t, w.get("/letters?queue=dead&after=nonsense"), "cursor")
	})
}

// linkOf returns the target of the link with a text; empty if there is none.
func linkOf(page, text string) string {
	found := regexp.MustCompile(`<a href="([^"]*)">` + text + `</a>`).FindStringSubmatch(page)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

// TestLetters_PagesOfAQueueWithoutPositions, such as one of RabbitMQ: letters are passed over.
func TestLetters_PagesOfAQueueWithoutPositions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hiding{Queue: memory.New(memory.Config{Name: "hiding"})}
		defer h.Close()
		for i := range 1200 {
			h.letters = append(h.letters, queue.Message{ID: strconv.Itoa(i)})
		}
		w := newWorld(t, "emails", func(c *dashboard.Config) { c.Queues = append(c.Queues, h) })
		page := w.get("/" + linkOf(w.get("/letters?queue=hiding"), "The letters behind them"))
		require.Contains(t, page, "Of the letters 1,001 to 1,200")
		all := links(page, "letter?")
		require.Len(t, all, 200)
		require.Contains(t, w.get("/"+all[199]), "1199")
		require.Len(t, h.letters, 1200, "none stays hidden")
	})
}

// TestPages_LettersThatDiedAlike: the link on the page of a letter leads to all of its group.
func TestPages_LettersThatDiedAlike(t *testing.T) {
	q := memory.New(memory.Config{Name: "dead"})
	t.Cleanup(q.Close)
	for i, reason := range []string{
		"gentask: attempt 3 of 3 failed: smtp 1 is away", "gentask: attempt 5 of 5 failed: smtp 22 is away",
		"smtp 3 is away", "card declined",
	} {
		bury(t, q, reason, "", queue.Message{ID: fmt.Sprint("letter-", i)})
	}
	w := newWorld(t, "emails", func(c *dashboard.Config) { c.Queues = append(c.Queues, q) })
	page := w.get("/" + links(w.get("/letters?queue=dead"), "letter?")[0])
	alike := w.get("/" + links(page, "letters?like=")[0])
	require.Contains(t, alike, "letter-0")
	require.Contains(t, alike, "letter-1")
	require.Contains(t, alike, "letter-2")
	require.NotContains(t, alike, "letter-3")
}
