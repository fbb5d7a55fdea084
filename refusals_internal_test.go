package gentask

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
)

// begin is the time at which the tests of refusals begin.
var begin = time.Unix(1_000_000, 0)

// refusedBy returns an entry that is decided, and its refusal.
func refusedBy(t *testing.T, r *refusals, d Decision, one refusal) *entry {
	t.Helper()
	e := madeUp(t, queue.Delivery{Attempt: 3})
	e.decision, e.received = d, begin
	if one.reason == nil {
		one.reason = errStale
	}
	r.of[e] = &one
	return e
}

// TestFloor is doubled with each return, up to a maximum.
func TestFloor(t *testing.T) {
	for times, want := range map[int]time.Duration{
		1: floorBase, 2: 2 * floorBase, 5: 16 * floorBase, 11: floorMost, 1 << 30: floorMost,
	} {
		require.Equal(t, want, floor(times), times)
	}
}

// TestRefusal_Hopeless: when a delivery is returned instead of being settled.
func TestRefusal_Hopeless(t *testing.T) {
	tooLarge := fmt.Errorf("no: %w", queue.ErrTooLarge)
	for name, c := range map[string]struct {
		one         refusal
		redelivered bool
		waited      time.Duration
		want        bool
	}{
		"the first refusal":                {one: refusal{reason: errStale, tries: 1}},
		"few tries in a long time":         {one: refusal{reason: errStale, tries: refusedTries - 1}, waited: time.Hour},
		"many tries in a short time":       {one: refusal{reason: errStale, tries: 99}, waited: refusedFor - 1},
		"many tries in a long time":        {one: refusal{reason: errStale, tries: refusedTries}, waited: refusedFor, want: true},
		"it was returned before":           {one: refusal{reason: errStale, known: &returnee{times: 1}}, want: true},
		"it was lost before":               {one: refusal{reason: errStale, known: &returnee{lost: true}}},
		"the driver could not return it":   {one: refusal{reason: errStale, noWay: true}, want: true},
		"too large":                        {one: refusal{reason: tooLarge}, want: true},
		"unsupported":                      {one: refusal{reason: queue.ErrUnsupported}, want: true},
		"a mistake in the configuration":   {one: refusal{reason: queue.ErrConfig}, want: true},
		"too large, redelivered":           {one: refusal{reason: tooLarge}, redelivered: true, waited: floorBase - 1},
		"too large, redelivered, and held": {one: refusal{reason: tooLarge}, redelivered: true, waited: floorBase, want: true},
	} {
		c.one.since = begin
		e := madeUp(t, queue.Delivery{Redelivered: c.redelivered})
		require.Equal(t, c.want, c.one.hopeless(e, begin.Add(c.waited)), name)
	}
}

// TestRefusals_Refused: a call that was cut off has taken its time since the first refusal.
func TestRefusals_Refused(t *testing.T) {
	r := newRefusals()
	require.False(t, r.any())
	e := madeUp(t, queue.Delivery{})
	require.False(t, r.refused(e, errStale, false, begin))
	require.True(t, r.any())
	require.True(t, r.has(e))
	require.Equal(t, 1, r.held())
	require.Equal(t, refusal{since: begin, tries: 1, reason: errStale}, *r.of[e])
	require.Equal(t, errStale, r.err)
	cut := begin.Add(time.Second)
	r.refused(e, queue.ErrUnavailable, true, cut)
	require.Equal(t, refusal{since: cut.Add(-link.SettleTimeout), tries: 2, reason: queue.ErrUnavailable}, *r.of[e])
	require.Equal(t, queue.ErrUnavailable, r.err)
	r.refused(e, errStale, true, begin.Add(time.Hour))
	require.Equal(t, cut.Add(-link.SettleTimeout), r.of[e].since, "it is longer ago")
}

// TestRefusals_Await: a decision that waits for its floor is shown as refused.
func TestRefusals_Await(t *testing.T) {
	r, e, known := newRefusals(), madeUp(t, queue.Delivery{}), &returnee{refusal: errStale}
	r.await(e, known, begin.Add(time.Minute), begin)
	require.Equal(t, refusal{since: begin, known: known, due: begin.Add(time.Minute), reason: errStale}, *r.of[e])
	require.Equal(t, errStale, r.err)
	r.jammed = begin
	r.reset()
	require.Zero(t, r.held())
	require.NoError(t, r.err)
	require.Zero(t, r.jammed)
}

// TestRefusals_Recalled: what is remembered of a message, for how long, and for which delivery.
func TestRefusals_Recalled(t *testing.T) {
	kept := &returnee{seen: 3, until: begin, due: begin.Add(time.Minute)}
	for name, c := range map[string]struct {
		attempt int
		after   time.Duration
		known   bool
	}{
		"the next delivery":                 {4, 0, true},
		"the same, which cost no attempt":   {3, 0, true},
		"one that another consumer had":     {5, 0, false},
		"for as long as it is remembered":   {4, time.Minute + returnedFor, true},
		"when it should have come long ago": {4, time.Minute + returnedFor + 1, false},
	} {
		r, e := newRefusals(), madeUp(t, queue.Delivery{Attempt: c.attempt})
		require.Nil(t, r.recalled(e, begin), name)
		r.memory.Put(e.item.Identity, kept)
		require.Equal(t, c.known, r.recalled(e, begin.Add(c.after)) == kept, name)
	}
}

// TestRefusals_Give: what a return asks for, and what is remembered of it.
func TestRefusals_Give(t *testing.T) {
	known := &returnee{times: 2, turns: 4, until: begin.Add(time.Minute), due: begin.Add(time.Hour)}
	for name, c := range map[string]struct {
		d     Decision
		one   refusal
		after time.Duration
		want  returnee
	}{
		"the first time": {
			Ack(), refusal{}, floorBase, returnee{attempt: 3, times: 1, until: begin.Add(floorBase), due: begin},
		},
		"the third time": {
			Ack(),
			refusal{known: known},
			4 * floorBase,
			returnee{attempt: 3, times: 3, until: begin.Add(4 * floorBase), due: begin},
		},
		"a requeue": {
			Requeue(9 * time.Second),
			refusal{},
			9 * time.Second,
			returnee{attempt: 4, times: 1, until: begin.Add(floorBase), due: begin.Add(9 * time.Second)},
		},
		"to make room": {
			Ack(),
			refusal{known: known, turned: true},
			time.Minute,
			returnee{attempt: 3, times: 2, turns: 5, until: known.until, due: known.due},
		},
	} {
		r := newRefusals()
		c.one.due, c.want.wish, c.want.seen, c.want.refusal = begin, c.d, 3, errStale
		e := refusedBy(t, r, c.d, c.one)
		s := r.give(e, begin)
		require.Equal(t, c.after, s.After, name)
		require.True(t, r.of[e].handed, name)
		require.Zero(t, r.of[e].due, name)
		kept, _ := r.memory.Get(e.item.Identity)
		require.Equal(t, c.want, *kept, name)
		require.False(t, r.hand(e), "%s: the driver has it", name)
		r.notReturned(e)
		require.Equal(t, refusal{known: c.one.known, reason: errStale, noWay: true}, *r.of[e], name)
		again, remembered := r.memory.Get(e.item.Identity)
		require.Equal(t, c.one.known != nil, remembered, name)
		require.True(t, !remembered || again == known, name)
	}
	r := newRefusals()
	late := refusedBy(t, r, Ack(), refusal{known: known, turned: true})
	require.Zero(t, r.give(late, begin.Add(time.Hour)).After, "its floor is over")
	require.NotNil(t, r.returned(late))
	require.Zero(t, r.held())
}

// TestRefusals_Hand: a settlement goes to the driver if that does not have it.
func TestRefusals_Hand(t *testing.T) {
	r := newRefusals()
	require.True(t, r.hand(madeUp(t, queue.Delivery{})), "it was not refused")
	e := refusedBy(t, r, Ack(), refusal{due: begin})
	require.True(t, r.hand(e))
	require.Zero(t, r.of[e].due)
	require.False(t, r.hand(e))
}

// TestRefusals_TryAfter: the back-off is bounded as long as it is a settlement that is tried.
func TestRefusals_TryAfter(t *testing.T) {
	r := newRefusals()
	for _, c := range []struct {
		one  refusal
		want time.Duration
	}{
		{refusal{tries: 1}, time.Second},
		{refusal{tries: 2}, 2 * time.Second},
		{refusal{tries: 3}, retryMost},
		{refusal{tries: 3, noWay: true}, 3 * time.Second},
		{refusal{tries: 1 << 30, noWay: true}, manyTries * time.Second},
	} {
		e := refusedBy(t, r, Ack(), c.one)
		require.Equal(t, c.want, r.tryAfter(e, func(n int) time.Duration { return time.Duration(n) * time.Second }))
	}
}

// TestRefusals_Settled: a message whose delivery is settled is forgotten, unless it was only given
// back unstarted while it waited.
func TestRefusals_Settled(t *testing.T) {
	for name, c := range map[string]struct {
		how              queue.Disposition
		refused, started bool
		stays            bool
	}{
		"given back unstarted":    {how: queue.Release, stays: true},
		"refused, and given back": {how: queue.Release, refused: true},
		"given back by its job":   {how: queue.Release, started: true},
		"acknowledged":            {how: queue.Ack},
	} {
		r, e := newRefusals(), madeUp(t, queue.Delivery{})
		r.memory.Put(e.item.Identity, &returnee{})
		r.jams, r.room = 3, 7
		if c.refused {
			r.about(e, begin)
		}
		if c.started {
			e.start(begin)
		}
		r.settled(e, c.how)
		require.Equal(t, c.stays, r.any(), name)
		require.Zero(t, r.held(), name)
		require.Zero(t, r.jams, name)
		require.Equal(t, map[bool]int{true: 7, false: 0}[c.stays], r.roomFor(), name)
		r.memory.Put(e.item.Identity, &returnee{})
		require.Equal(t, map[bool]int{true: 7, false: 0}[c.stays], r.roomFor(), "%s: that is over", name)
	}
}

// TestRefusals_Lost: the decision about a delivery that is lost is remembered. The loss costs an
// attempt where the broker counts it.
func TestRefusals_Lost(t *testing.T) {
	known := &returnee{times: 2, turns: 4, until: begin.Add(time.Minute), due: begin.Add(time.Hour)}
	for name, c := range map[string]struct {
		d    Decision
		one  refusal
		want *returnee
	}{
		"undecided":     {one: refusal{}},
		"refused":       {Ack(), refusal{tries: 1}, &returnee{attempt: 4, lost: true, until: begin, due: begin}},
		"not refused":   {Ack(), refusal{}, &returnee{attempt: 4, lost: true, until: begin, due: begin}},
		"refused again": {Ack(), refusal{tries: 1, known: known}, &returnee{attempt: 4, lost: true, times: 2, until: begin, due: begin}},
		"it waited": {
			Ack(),
			refusal{known: known},
			&returnee{attempt: 4, lost: true, times: 2, turns: 5, until: known.until, due: known.due},
		},
	} {
		r := newRefusals()
		e := refusedBy(t, r, c.d, c.one)
		r.lost(e, begin)
		require.Zero(t, r.held(), name)
		kept, remembered := r.memory.Get(e.item.Identity)
		require.Equal(t, c.want != nil, remembered, name)
		if remembered {
			c.want.wish, c.want.seen, c.want.refusal = c.d, 3, errStale
			require.Equal(t, c.want, kept, name)
			require.Equal(t, 4, kept.attemptOf(&queue.Delivery{Attempt: 9}), name)
			require.Equal(t, 3, kept.attemptOf(&queue.Delivery{Attempt: 3}), "%s: it does not count losses", name)
		}
		r.lost(e, begin)
		require.Zero(t, r.held(), "it was not refused: %s", name)
	}
	require.Equal(t, 3, (&returnee{attempt: 3}).attemptOf(&queue.Delivery{Attempt: 2}), "a return costs none")
}

// TestRefusals_Look: which deliveries are tried again, and which are returned to make room.
func TestRefusals_Look(t *testing.T) {
	const seconds = 5
	now, known := begin.Add(seconds*time.Second), &returnee{turns: 2}
	for name, c := range map[string]struct {
		one               refusal
		full              bool
		again, back, jams bool
	}{
		"its floor is over":              {one: refusal{due: now}, again: true},
		"its floor is not over":          {one: refusal{due: now.Add(1), known: known}},
		"it has no floor":                {one: refusal{known: known}, full: true},
		"the driver has it":              {one: refusal{due: now, handed: true}},
		"it makes room":                  {one: refusal{due: now.Add(1), known: known}, full: true, back: true},
		"it has made room often":         {one: refusal{due: now.Add(1), known: &returnee{turns: 3}}, full: true},
		"it can't be returned":           {one: refusal{due: now, noWay: true}},
		"nothing can be returned at all": {one: refusal{due: now, noWay: true}, full: true, jams: true},
	} {
		r := newRefusals()
		e := refusedBy(t, r, Ack(), c.one)
		again, back, jammed := r.look([]*entry{e}, c.full, now)
		require.Equal(t, c.again, len(again) == 1, name)
		require.Equal(t, c.back, len(back) == 1, name)
		require.Equal(t, c.back, r.of[e].turned, name)
		require.Equal(t, c.jams, jammed, name)
		other := madeUp(t, queue.Delivery{})
		_, _, jammed = r.look([]*entry{e, other}, c.full, now)
		require.False(t, jammed, "%s: another one is no refusal", name)
	}
	r := newRefusals()
	often := refusedBy(t, r, Ack(), refusal{due: begin.Add(time.Hour), known: &returnee{turns: 99}})
	_, back, _ := r.look([]*entry{often}, true, begin.Add(crowdMost-1))
	require.Empty(t, back)
	_, back, _ = r.look([]*entry{often}, true, begin.Add(crowdMost))
	require.Len(t, back, 1, "in the end, however often")
}

// TestRefusals_Jam: a session is ended when nothing has moved for long enough, and less often each
// time. The next one has room for twice as many.
func TestRefusals_Jam(t *testing.T) {
	r, now := newRefusals(), begin
	r.memory.Put(identity{ID: 1}, &returnee{})
	for _, c := range []struct {
		held, room int
		after      time.Duration
	}{
		{10, 20, jamFor},
		{400, 800, 2 * jamFor},
		{500, mostStuck, 4 * jamFor},
		{501, mostStuck, 8 * jamFor},
		{1, 2, 16 * jamFor},
		{1, 2, jamMost},
		{1, 2, jamMost},
	} {
		require.False(t, r.jam(true, c.held, now))
		require.False(t, r.jam(true, c.held, now.Add(c.after-1)))
		require.False(t, r.jam(false, c.held, now), "it moves")
		require.Zero(t, r.jammed)
		require.False(t, r.jam(true, c.held, now))
		now = now.Add(c.after)
		require.True(t, r.jam(true, c.held, now), c.after)
		require.Equal(t, c.room, r.roomFor())
	}
}

// TestRefusals_Waiting: the ones that wait for their floor, and that the driver does not have.
func TestRefusals_Waiting(t *testing.T) {
	r := newRefusals()
	waits := refusedBy(t, r, Ack(), refusal{due: begin})
	all := []*entry{
		waits, refusedBy(t, r, Ack(), refusal{}), refusedBy(t, r, Ack(), refusal{due: begin, handed: true}),
		madeUp(t, queue.Delivery{}),
	}
	require.Equal(t, []*entry{waits}, r.waiting(all))
	require.True(t, r.of[waits].turned)
}
