package gentask

import "context"

// simQuota is a part of a limit that others have, too. Units come and go, and some are lost while
// they are in use.
type simQuota struct {
	conductor *conductor
	consumer  *Consumer
	size      int // units that the consumer may have now
	used      []*simUnit
	want      int
	faults    []string
}

// simUnit is one unit in use, or one that was lost.
type simUnit struct {
	q      *simQuota
	ctx    context.Context
	cancel context.CancelFunc
	over   bool
}

// Want implements Quota.
func (q *simQuota) Want(n int) { q.want = n }

// Acquire implements Quota.
func (q *simQuota) Acquire() (QuotaUnit, bool) {
	if len(q.used) >= q.size {
		return nil, false
	}
	u := &simUnit{q: q}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	q.used = append(q.used, u)
	return u, true
}

// Context implements QuotaUnit.
func (u *simUnit) Context() context.Context { return u.ctx }

// Release implements QuotaUnit.
func (u *simUnit) Release() {
	if u.over {
		u.q.faults = append(u.q.faults, "a unit was released twice")
	}
	u.over = true
	for i, one := range u.q.used {
		if one == u {
			u.q.used = append(u.q.used[:i], u.q.used[i+1:]...)
			return
		}
	}
}

// play changes how many units there are, or takes one away that is in use.
func (q *simQuota) play() {
	if n := len(q.used); n > 0 && q.conductor.chance(0.3) {
		q.used[q.conductor.below(n)].cancel()
		return
	}
	q.resize(q.conductor.below(4))
}

func (q *simQuota) resize(n int) {
	q.size = n
	q.consumer.QuotaChanged()
}
