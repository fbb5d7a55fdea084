package memory_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// TestUntilDoneModel: whatever happens to messages, a message is a duplicate if, and only if, one
// with its key is in the queue by the model, which is a set of keys.
func TestUntilDoneModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			m := &lockModel{t: t, taken: map[string]bool{}, letters: map[string]int{}}
			m.q = memory.New(memory.Config{Journal: true, Faults: memory.Faults{
				Duplicate: memory.Fault{Rate: float64(rapid.SampledFrom([]int{0, 0, 1}).Draw(rt, "copies")) / 5},
			}})
			defer m.q.Close()
			m.copies = map[string]int{}
			m.open()
			rt.Repeat(map[string]func(*rapid.T){
				"publish": m.publish, "settle": m.settle, "end": m.end, "redrive": m.redrive, "purge": m.purge,
				"sleep": func(*rapid.T) { time.Sleep(time.Second); synctest.Wait() }, "": m.check,
			})
		})
	})
}

// lockModel is a queue, and which keys are taken.
type lockModel struct {
	t       *testing.T
	q       *memory.Queue
	s       queue.Session
	n       int
	taken   map[string]bool
	copies  map[string]int // of the message that has a key, beyond the first
	letters map[string]int // by key
}

func (m *lockModel) open() {
	s, err := m.q.Open(m.t.Context(), queue.Options{Prefetch: 3})
	require.NoError(m.t, err)
	m.s = s
}

// publish publishes up to three messages in one call.
func (m *lockModel) publish(t *rapid.T) {
	var msgs []queue.Message
	var want []bool
	for range rapid.IntRange(1, 3).Draw(t, "messages") {
		m.n++
		key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
		msg := queue.Message{ID: fmt.Sprint(key, m.n), UniqueKey: key, UniqueUntil: queue.UntilDone}
		if rapid.Bool().Draw(t, "later") {
			msg.NotBefore = time.Now().Add(500 * time.Millisecond)
		}
		msgs, want = append(msgs, msg), append(want, m.taken[key])
		m.taken[key] = true
	}
	results, err := m.q.PublishResults(m.t.Context(), msgs...)
	require.NoError(t, err)
	require.Equal(t, want, duplicates(results))
}

func duplicates(results []queue.PublishResult) []bool {
	all := make([]bool, len(results))
	for i, r := range results {
		all[i] = r.Duplicate
	}
	return all
}

// settle settles one delivery, if one is there, in any way.
func (m *lockModel) settle(t *rapid.T) {
	if m.q.Stats().Ready == 0 {
		t.Skip("nothing is ready")
	}
	d := m.receive(t)
	key := d.ID[:1]
	st := queue.Settlement{Delivery: d, Disposition: queue.Disposition(rapid.IntRange(int(queue.Ack), int(queue.DeadLetter)).Draw(t, "disposition"))}
	if rapid.Bool().Draw(t, "later") && (st.Disposition == queue.Requeue || st.Disposition == queue.Release) {
		st.After = 700 * time.Millisecond
	}
	require.NoError(t, m.s.Settle(m.t.Context(), []queue.Settlement{st}))
	switch st.Disposition {
	case queue.Ack:
		m.gone(key)
	case queue.DeadLetter:
		m.letters[key]++
		m.gone(key)
	case queue.Requeue, queue.Release:
	}
}

// receive takes a delivery, of which a fault may make a copy.
func (m *lockModel) receive(t *rapid.T) *queue.Delivery {
	before := m.q.Stats().Duplicated
	d, err := m.s.Receive(m.t.Context())
	require.NoError(t, err)
	m.copies[d.ID[:1]] += m.q.Stats().Duplicated - before
	return d
}

// gone frees a key with the last copy of its message.
func (m *lockModel) gone(key string) {
	if m.copies[key] > 0 {
		m.copies[key]--
		return
	}
	m.taken[key] = false
}

// end ends the session, with what it holds.
func (m *lockModel) end(t *rapid.T) {
	if m.q.Stats().Ready > 0 {
		m.receive(t)
	}
	if rapid.Bool().Draw(t, "lost") {
		m.q.LoseSessions()
	}
	require.NoError(t, m.s.Close(m.t.Context()))
	m.open()
}

// redrive gives back one letter of each key that is free.
func (m *lockModel) redrive(t *rapid.T) {
	n, err := m.q.Letters().Redrive(m.t.Context(), queue.LetterFilter{}, queue.RedriveOptions{})
	want, stay := 0, 0
	for key, letters := range m.letters {
		if letters > 0 && !m.taken[key] {
			m.taken[key] = true
			m.letters[key]--
			want++
		}
		stay += m.letters[key]
	}
	require.Equal(t, want, n)
	if stay > 0 {
		require.ErrorIs(t, err, queue.ErrKeyTaken)
		return
	}
	require.NoError(t, err)
}

func (m *lockModel) purge(t *rapid.T) {
	key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
	n, err := m.q.Letters().Purge(m.t.Context(), queue.LetterFilter{
		Match: func(l *queue.Letter) bool { return l.ID[:1] == key },
	})
	require.NoError(t, err)
	require.Equal(t, m.letters[key], n)
	m.letters[key] = 0
}

// check requires that the counts are consistent, and that as many messages as keys are there.
func (m *lockModel) check(t *rapid.T) {
	require.NoError(t, m.q.Check())
	s := m.q.Stats()
	keys := 0
	for key, taken := range m.taken {
		if taken {
			keys += 1 + m.copies[key]
		}
	}
	require.Equal(t, keys, s.Ready+s.Delayed+s.Held)
	require.Len(t, m.q.DeadLetters(), sum(m.letters))
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// TestUntilDone_WithoutAWindow: Config.Unique is about windows only.
func TestUntilDone_WithoutAWindow(t *testing.T) {
	bubble(t, memory.Config{Unique: -1}, func(t *testing.T, q *memory.Queue) {
		m := queue.Message{UniqueKey: "k", UniqueUntil: queue.UntilDone}
		results, err := q.PublishResults(t.Context(), slices.Repeat([]queue.Message{m}, 3)...)
		require.NoError(t, err)
		require.Equal(t, []bool{false, true, true}, duplicates(results))
	})
}
