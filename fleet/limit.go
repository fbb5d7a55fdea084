package fleet

import (
	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/lease"
)

// limit is the part that a consumer has in one of its [gentask.FleetLimits].
type limit struct {
	off   func() // takes it away from the consumer
	close func() // gives it back to the fleet
}

// limitsOf returns the parts of the consumers that have such limits.
func (n *Node) limitsOf(consumers []*gentask.Consumer) []limit {
	var all []limit
	for _, c := range consumers {
		limits := c.FleetLimits()
		if limits.Concurrency > 0 {
			s := n.leases.Share(part(c.Queue()), limits.Concurrency, c.QuotaChanged)
			c.SetQuota(quota{s})
			all = append(all, limit{off: func() { c.SetQuota(nil) }, close: s.Close})
		}
		if limits.Rate.PerSecond > 0 {
			r := n.leases.Rate(part(c.Queue()), lease.Limit(limits.Rate), c.QuotaChanged)
			c.SetRateQuota(r)
			all = append(all, limit{off: func() { c.SetRateQuota(nil) }, close: r.Close})
		}
		if limits.PerKey.Key != nil {
			k := n.leases.Keys(part(c.Queue()), limits.PerKey.Concurrency, part, c.QuotaChanged)
			c.SetKeyQuota(keyQuota{k})
			all = append(all, limit{off: func() { c.SetKeyQuota(nil) }, close: k.Close})
		}
	}
	return all
}

// quota is a [gentask.Quota] of a share.
type quota struct{ *lease.Share }

// Acquire implements gentask.Quota.
func (q quota) Acquire() (gentask.QuotaUnit, bool) {
	p, ok := q.Share.Acquire()
	return p, ok
}

// keyQuota is a [gentask.KeyQuota] of shares.
type keyQuota struct{ *lease.Keys }

// Acquire implements gentask.KeyQuota.
func (q keyQuota) Acquire(key string) (gentask.QuotaUnit, bool) {
	p, ok := q.Keys.Acquire(key)
	return p, ok
}
