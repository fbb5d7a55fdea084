package queuetest_test

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/gentask/gentask/queue"
)

// bug is a mistake that a driver has made before, and the case that finds it.
type bug struct {
	found   string
	open    func(o *queue.Options)
	publish func(m *queue.Message)
	deliver func(d *queue.Delivery)
	late    func(d *queue.Delivery) // of deliveries that are on their way at a Cancel
	settle  func(s *session, batch []queue.Settlement) []queue.Settlement
	after   func(err error) error
	results func(results []queue.PublishResult) []queue.PublishResult
	inspect func(s *queue.Stats)
	counted func(err error) error
}

// bugs returns all bugs by name.
func bugs() map[string]bug {
	all := deliveryBugs()
	maps.Copy(all, settleBugs())
	maps.Copy(all, propertyBugs())
	maps.Copy(all, uniqueBugs())
	return all
}

// deliveryBugs returns mistakes before a delivery is settled.
func deliveryBugs() map[string]bug {
	return map[string]bug{
		"one more than the prefetch": {
			found: "delivery/prefetch_is_never_exceeded",
			open:  func(o *queue.Options) { o.Prefetch++ },
		},
		"prefetch 0 means something": {
			found: "session/bad_prefetch_is_refused",
			open:  func(o *queue.Options) { o.Prefetch = max(1, o.Prefetch) },
		},
		"headers are lost": {
			found:   "delivery/keeps_the_message",
			publish: func(m *queue.Message) { m.Headers = nil },
		},
		"empty header values are dropped": {
			found:   "delivery/hostile_headers",
			publish: func(m *queue.Message) { m.Headers = trim(m.Headers) },
		},
		"an empty body becomes null": {
			found:   "delivery/bodies_of_every_size",
			publish: func(m *queue.Message) { m.Body = []byte(cmp.Or(string(m.Body), "null")) },
		},
		"a message is not kept until its time": {
			found:   "order/not_before_its_time",
			publish: func(m *queue.Message) { m.NotBefore = time.Time{} },
		},
		"a priority is ignored": {
			found:   "order/priority_overtakes",
			publish: func(m *queue.Message) { m.Priority = min(m.Priority, 0) },
		},
		"delayed messages are counted twice": {
			found:   "inspect/counts_what_is_there",
			inspect: func(s *queue.Stats) { s.Held += s.Delayed },
		},
		"counts are made up when there is no answer": {
			found:   "inspect/with_an_ended_context",
			counted: func(error) error { return nil },
		},
		"a result is not in its place": {
			found:   "publish/results",
			results: func(r []queue.PublishResult) []queue.PublishResult { slices.Reverse(r); return r },
		},
		"a failure is not in its result": {
			found: "publish/results_of_what_was_refused",
			results: func(r []queue.PublishResult) []queue.PublishResult {
				for i := range r {
					r[i].Err = nil
				}
				return r
			},
		},
		"redelivered is never said": {
			found:   "loss/unsettled_deliveries_come_back",
			deliver: func(d *queue.Delivery) { d.Redelivered = false },
		},
	}
}

// uniqueBugs returns mistakes about unique keys.
func uniqueBugs() map[string]bug {
	return map[string]bug{
		"a repetition is not reported": {
			found: "order/a_repetition_is_reported",
			results: func(r []queue.PublishResult) []queue.PublishResult {
				for i := range r {
					r[i].Duplicate = false
				}
				return r
			},
		},
		"a unique key is ignored": {
			found:   "order/a_unique_key_is_enqueued_once",
			publish: func(m *queue.Message) { m.UniqueKey = "" },
		},
		"a key until done is one of a window": {
			found:   "unique/until_done:_free_at_the_end",
			publish: func(m *queue.Message) { m.UniqueUntil = queue.UntilWindowEnds },
		},
	}
}

// settleBugs returns mistakes of settlements.
func settleBugs() map[string]bug {
	return map[string]bug{
		"acks are multiple": {
			found:  "loss/out_of_order_acks_keep_what_is_held",
			settle: (*session).upTo,
		},
		"a tag is enough": {
			found:  "settle/a_delivery_of_another_session_is_refused",
			settle: (*session).byTag,
		},
		"a delay is cut to whole seconds": {
			found: "requeue/with_a_delay",
			settle: func(_ *session, batch []queue.Settlement) []queue.Settlement {
				for i := range batch {
					batch[i].After = batch[i].After.Truncate(time.Second)
				}
				return batch
			},
		},
		"a release costs an attempt": {
			found:  "release/costs_no_attempt",
			settle: replace(queue.Release, queue.Requeue),
		},
		"a release is always at once": {
			found: "release/put_off",
			settle: func(_ *session, batch []queue.Settlement) []queue.Settlement {
				for i := range batch {
					if batch[i].Disposition == queue.Release {
						batch[i].After = 0
					}
				}
				return batch
			},
		},
		"a requeue costs none": {
			found:  "requeue/at_once",
			settle: replace(queue.Requeue, queue.Release),
		},
		"a dead letter does not say why": {
			found: "dead_letter/keeps_the_message_and_why",
			settle: func(_ *session, batch []queue.Settlement) []queue.Settlement {
				for i := range batch {
					batch[i].Reason = ""
				}
				return batch
			},
		},
		"a dead letter stays in the queue": {
			found:  "dead_letter/is_not_delivered_again",
			settle: replace(queue.DeadLetter, queue.Requeue),
		},
		"one settled delivery spoils the batch": {
			found:  "settle/a_settled_one_does_not_hold_up_the_others",
			settle: (*session).allOrNone,
		},
		"a cancel costs an attempt": {
			found: "cancel/costs_no_attempt",
			late:  func(d *queue.Delivery) { d.Attempt++ },
		},
		"a second settlement is silently ignored": {
			found: "settle/only_the_first_counts",
			after: without(queue.ErrSettled),
		},
		"a lost session returns no error": {
			found: "loss/a_dead_session_settles_nothing",
			after: without(queue.ErrSessionLost),
		},
	}
}

// trim returns headers without those that have no value.
func trim(headers map[string]string) map[string]string {
	kept := map[string]string{}
	for name, value := range headers {
		if value != "" {
			kept[name] = value
		}
	}
	return kept
}

// replace applies another disposition than the requested one.
func replace(asked, applied queue.Disposition) func(*session, []queue.Settlement) []queue.Settlement {
	return func(_ *session, batch []queue.Settlement) []queue.Settlement {
		for i := range batch {
			if batch[i].Disposition == asked {
				batch[i].Disposition = applied
			}
		}
		return batch
	}
}

// without hides errors that wrap hidden.
func without(hidden error) func(error) error {
	return func(err error) error {
		if errors.Is(err, hidden) {
			return nil
		}
		return err
	}
}
