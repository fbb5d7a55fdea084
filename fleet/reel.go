package fleet

import "encoding/json"

const (
	// mostRecords is how many event records a node keeps.
	mostRecords = 1000

	// mostOfRecords is how many bytes of records an answer has, as JSON. The rest of mostAnswer is
	// for what is around them.
	mostOfRecords = mostAnswer - 2<<10
)

// reel numbers event records from 0 on, and keeps the newest ones. It is pure: it has neither lock
// nor clock.
type reel struct {
	records []EventRecord // grows, and then goes round and round
	base    uint64        // the number of the first one since they were cleared
	next    uint64        // the number of the next one
}

// add adds a record. The oldest one goes if there is no room.
func (r *reel) add(one EventRecord) {
	if len(r.records) < mostRecords {
		r.records = append(r.records, one)
	} else {
		*r.at(r.next) = one
	}
	r.next++
}

// at returns the place of a record that is kept.
func (r *reel) at(number uint64) *EventRecord { return &r.records[(number-r.base)%mostRecords] }

// oldest returns the number of the oldest record that is kept; that of the next one if there is
// none.
func (r *reel) oldest() uint64 { return r.next - uint64(len(r.records)) }

// clear drops the records. Their numbers stay taken.
func (r *reel) clear() { r.records, r.base = nil, r.next }

// read answers a question of a cursor: as many records as fit.
func (r *reel) read(after uint64, q *eventsQuestion) eventsAnswer {
	a := eventsAnswer{After: after, Next: after}
	if oldest := r.oldest(); after < oldest {
		a.Missed, a.Next = oldest-after, oldest
	}
	for size := 0; a.Next < r.next; a.Next++ {
		one := r.at(a.Next)
		if !q.wants(one) {
			continue
		}
		size += sizeOf(one)
		if size > mostOfRecords && len(a.Records) > 0 {
			a.More = true
			return a
		}
		a.Records = append(a.Records, *one)
	}
	return a
}

// sizeOf returns how many bytes a record has in JSON.
func sizeOf(r *EventRecord) int {
	body, err := json.Marshal(r)
	if err != nil {
		return 0 // it has no such values
	}
	return len(body) + 1
}
