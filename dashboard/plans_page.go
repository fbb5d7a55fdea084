package dashboard

import (
	"time"

	"github.com/gentask/gentask/schedule"
)

// planSet is the plans of one set, or why they are not known.
type planSet struct {
	answer[[]schedule.StoredPlan]
	name string
}

// plansPage is the model of the page of plans.
type plansPage struct{ Sets []planSetView }

// planSetView is a set of plans as the page shows it.
type planSetView struct {
	Name    string
	Plans   []planRow
	Problem string
	Lines   []string
	Asking  bool
}

// planRow is a plan.
type planRow struct {
	schedule.StoredPlan
	Set     string
	State   state
	Until   time.Duration // the next planned time
	Ago     time.Duration // since the last one
	Problem string
}

func plansModel(_ *Dashboard, v *view) any {
	if !v.Plans {
		return nil
	}
	p := &plansPage{}
	for _, set := range v.sample.plans {
		one := planSetView{Name: set.name, Asking: set.at.IsZero()}
		if set.err != nil {
			one.Problem, one.Lines = clip(set.err.Error(), 500), hints(set.err)
		}
		for _, plan := range set.value {
			one.Plans = append(one.Plans, planRowOf(set.name, plan, v.sample.at))
		}
		p.Sets = append(p.Sets, one)
	}
	return p
}

func planRowOf(set string, plan schedule.StoredPlan, at time.Time) planRow {
	r := planRow{StoredPlan: plan, Set: set, State: state{"active", toneOK}}
	switch {
	case plan.Err != nil:
		r.State, r.Problem = state{"unreadable", toneBad}, clip(plan.Err.Error(), 500)
	case plan.Paused:
		r.State = state{"paused", toneWarn}
	}
	if !plan.Next.IsZero() {
		r.Until = max(plan.Next.Sub(at), 0)
	}
	if !plan.Last.IsZero() {
		r.Ago = max(at.Sub(plan.Last), 0)
	}
	return r
}
