package gentask

import (
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/internal/admission"
)

// RateQuota is a consumer's part of a rate that it shares with others. Its methods are safe for
// concurrent use, never block, and must not panic. Package fleet implements it.
type RateQuota interface {
	// Want sets whether the consumer could start more runs now. It is called when that has changed.
	Want(more bool)

	// Take takes a token, which the consumer uses for a start at once, or returns. If there is
	// none, it returns when there will be one. The zero time means that the consumer has no part of
	// the rate: [Consumer.QuotaChanged] must be called when it has.
	Take() (ok bool, at time.Time)

	// Return gives the last token back.
	Return()
}

// rateQuota is the gate of FleetLimits.Rate. It outlives a ledger that crashes. It belongs to the
// goroutine of the ledger, of which there is one at a time.
type rateQuota struct {
	from *atomic.Pointer[RateQuota]
	told *RateQuota // the one that Want was called of last
	hunger

	spare RateQuota // that of the token which Pass has reserved; nil if there is none
	short bool      // there was no token when one was asked for last
	wants bool
}

// Pass implements [admission.Gate]: it reserves a token.
func (q *rateQuota) Pass(_ *admission.Item, now time.Time) admission.Answer {
	until := q.reserve(now)
	if !q.short {
		return admission.Answer{}
	}
	return admission.Answer{Kind: admission.Block, Until: until}
}

// reserve makes sure that there is a spare token, if possible, and returns when to look again.
func (q *rateQuota) reserve(now time.Time) (until time.Time) {
	if q.spare != nil {
		return time.Time{}
	}
	q.short = true
	if source := q.from.Load(); source != nil {
		var ok bool
		if ok, until = (*source).Take(); ok {
			q.spare, q.short = *source, false
		}
	}
	q.feed(!q.short || !until.IsZero(), now)
	if until.IsZero() {
		until = q.limit()
	}
	return until
}

// Started implements [admission.Gate]: the job takes the reserved token.
func (q *rateQuota) Started(*admission.Item, time.Time) { q.spare = nil }

// Ended implements [admission.Gate].
func (*rateQuota) Ended(*admission.Item, admission.Result, time.Time) {}

// Gone implements [admission.Gate].
func (*rateQuota) Gone(*admission.Item, admission.Fate, time.Time) {}

func (q *rateQuota) giveUp() {
	if q.spare != nil {
		q.spare.Return()
		q.spare = nil
	}
}

// starves reports whether the consumer has had no part of the rate for so long that it should hold
// no deliveries.
func (q *rateQuota) starves(now time.Time) bool {
	if !q.long(now) {
		return false
	}
	q.reserve(now)
	q.giveUp()
	return q.long(now)
}

// rest ends a turn of the ledger: it gives up a token that no job has taken, and wants more if
// something waits for one.
func (q *rateQuota) rest(waiting int) {
	q.giveUp()
	if waiting == 0 {
		q.short = false
		q.forget(time.Now())
	}
	q.want(q.short || !q.since.IsZero())
}

func (q *rateQuota) want(more bool) {
	if source := q.from.Load(); source != nil && (more != q.wants || source != q.told) {
		q.wants, q.told = more, source
		(*source).Want(more)
	}
}

// over is called when the tasks of a ledger are gone.
func (q *rateQuota) over() {
	q.giveUp()
	q.want(false)
}
