package gentask

import (
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/internal/admission"
)

// quotas are a consumer's parts of FleetLimits; nil for those that it has not got.
type quotas struct {
	jobs atomic.Pointer[Quota]
	rate atomic.Pointer[RateQuota]
	keys atomic.Pointer[KeyQuota]
}

// fleetGates are the gates of FleetLimits; nil for those that are off. They outlive a ledger that
// crashes.
type fleetGates struct {
	quota     *quota
	rateQuota *rateQuota
	keyQuota  *keyQuota
}

func newFleetGates(f FleetLimits, from *quotas, lost func(*admission.Item)) fleetGates {
	var g fleetGates
	if f.Concurrency > 0 {
		g.quota = newQuota(&from.jobs, lost)
	}
	if f.Rate.on() {
		g.rateQuota = &rateQuota{from: &from.rate}
	}
	if f.PerKey.Key != nil {
		g.keyQuota = newKeyQuota(&from.keys, lost)
	}
	return g
}

// gates returns those that are on. All of them reserve. That of the keys comes first, because it
// skips items.
func (f *fleetGates) gates() []admission.Gate {
	var gates []admission.Gate
	if f.keyQuota != nil {
		gates = append(gates, f.keyQuota)
	}
	if f.rateQuota != nil {
		gates = append(gates, f.rateQuota)
	}
	if f.quota != nil {
		gates = append(gates, f.quota)
	}
	return gates
}

// ending keeps the units of jobs until over is called: the tasks of an ending ledger still run.
func (f *fleetGates) ending() {
	if f.quota != nil {
		f.quota.keeps = true
	}
	if f.keyQuota != nil {
		f.keyQuota.keeps = true
	}
}

// over is called when the ledger's tasks are gone, however it ended.
func (f *fleetGates) over() {
	if f.quota != nil {
		f.quota.over()
	}
	if f.rateQuota != nil {
		f.rateQuota.over()
	}
	if f.keyQuota != nil {
		f.keyQuota.over()
	}
}

// rest ends a turn of the ledger. So many deliveries wait for one of so many slots.
func (f *fleetGates) rest(waiting, slots int) {
	if f.quota != nil {
		f.quota.rest(waiting, slots)
	}
	if f.rateQuota != nil {
		f.rateQuota.rest(waiting)
	}
	if f.keyQuota != nil {
		f.keyQuota.rest(waiting)
	}
}

// starves reports whether the limits leave the consumer nothing to run.
func (f *fleetGates) starves() bool {
	return f.quota != nil && f.quota.starves(time.Now()) ||
		f.rateQuota != nil && f.rateQuota.starves(time.Now()) ||
		f.keyQuota != nil && f.keyQuota.starves(time.Now())
}

// starved is starves for those who only want to know.
func (f *fleetGates) starved() bool {
	return f.quota != nil && f.quota.starving(time.Now()) ||
		f.rateQuota != nil && f.rateQuota.long(time.Now()) ||
		f.keyQuota != nil && f.keyQuota.long(time.Now())
}
