package fleet

import (
	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/lease"
)

// limit is the part that a consumer has in its [gentask.FleetLimits]. It implements gentask.Quota.
type limit struct {
	consumer *gentask.Consumer
	*lease.Share
}

// limitsOf returns the parts of the consumers that have such limits.
func (n *Node) limitsOf(consumers []*gentask.Consumer) []*limit {
	var all []*limit
	for _, c := range consumers {
		total := c.FleetLimits().Concurrency
		if total == 0 {
			continue
		}
		l := &limit{consumer: c, Share: n.leases.Share(part(c.Queue()), total, c.QuotaChanged)}
		c.SetQuota(l)
		all = append(all, l)
	}
	return all
}

// Acquire implements gentask.Quota.
func (l *limit) Acquire() (gentask.QuotaUnit, bool) {
	p, ok := l.Share.Acquire()
	return p, ok
}
