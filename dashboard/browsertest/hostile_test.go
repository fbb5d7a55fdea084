package browsertest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/schedule"
)

// evils are texts that would run, load or post something if a page took them for a part of itself.
var evils = []string{
	`<script>window.evil = 1</script>`,
	`"><img src=/evil onerror="window.evil = 1">`,
	`'><svg/onload=alert(1)>`,
	`</textarea></pre></template><iframe srcdoc="<script>parent.evil = 1</script>"></iframe>`,
	`<div hx-get="/evil" hx-trigger="load" sse-connect="/evil">x</div>`,
	`<form action="/evil" method="post"><button autofocus>pause</button></form>`,
	`javascript:alert(1)//`,
	"</script><!--\u202e\x00]]>{{.}}",
	"data: x\n\nevent: message\ndata: <script>window.evil = 1</script>\n\n", // a frame of a stream
}

// strangers are elements and attributes that the pages have no use for.
const strangers = `[...document.querySelectorAll('iframe, img, [onerror], [onload], [srcdoc], [autofocus], [hx-get], ' +
	'[action="/evil"], [sse-connect="/evil"], [href^="javascript:" i], script:not([src])')].map(e => e.outerHTML)`

// TestHostileTexts: scripts in the ID, the body, the headers, the reason, the stack or the log of a
// message, in a plan or in the reason of a command, are text on every page, and in its stream.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	s := openShop(t, inMemory(t))
	requests := &requests{next: s.pages}
	url := serve(t, requests)
	p := newTab(t)
	p.visit(s.queuePageAt(url))
	for i, evil := range evils {
		s.attack(i, evil)
	}
	s.letters(3 * len(evils))
	p.until("the stream has brought the letters", fmt.Sprintf("document.body.innerText.includes('%d')", 3*len(evils)))
	p.crawl(url, func(url string) {
		require.Empty(t, eval[[]string](p, strangers), url)
		require.False(t, eval[bool](p, "'evil' in window"), url)
	})
	require.Zero(t, requests.count(" /evil"))
}

// attack leaves a text wherever a stranger could.
func (s *shop) attack(i int, evil string) {
	s.t.Helper()
	body := func(do string) []byte { return task{do, evil}.body(s.t) }
	headers := map[string]string{evil: evil, "trace": evil}
	id := func(n int) string { return fmt.Sprint(evil, n) }
	require.NoError(s.t, s.orders.Publish(s.t.Context(),
		queue.Message{ID: id(1), Body: []byte(evil), ContentType: evil, Headers: headers}, // no JSON
		queue.Message{ID: id(2), Body: body("fail"), Headers: headers},
		queue.Message{ID: id(3), Body: body("panic"), Headers: headers},
		queue.Message{ID: id(4), Body: body("wait"), Headers: headers},
	))
	by := gentask.Author{By: evil, Reason: evil}
	_, err := s.node.Cancel(within(s.t), s.orders.Name(), id(5), by)
	require.NoError(s.t, err)
	require.NoError(s.t, s.plans.Put(s.t.Context(), schedule.Plan{
		Name: fmt.Sprint(i, evil[:min(len(evil), 30)]), Cron: "30 6 * * *", Message: queue.Message{Body: []byte(evil)},
	}))
}
