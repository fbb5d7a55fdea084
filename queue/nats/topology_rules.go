package nats

import (
	"encoding/json"
	"fmt"
	"slices"
)

// streamRules are those of a queue's stream, and of its dead-letter queue's. Limits of number and
// size are the operator's decision: with discard policy new, the publisher gets an error.
func (b *Broker) streamRules(name string) rules {
	r := rules{
		"subjects":  {must: fmt.Sprintf("a list with %q", name), holds: hasSubject(name)},
		"retention": exactly("workqueue"),
		"storage":   exactly("file"),
		"discard":   exactly("new"),

		"max_age": noTime("0 (unlimited), or messages vanish"),
		"max_msgs_per_subject": {
			must:  "-1 (unlimited), or discard_new_per_subject true: otherwise the oldest messages vanish",
			holds: keepsPerSubject,
		},
		"no_ack":                    unset("false, or a publisher gets no confirms"),
		"sealed":                    unset("false, or nothing can be published or settled"),
		"persist_mode":              unset("default, or a confirmed message may not be on the disk"),
		"allow_rollup_hdrs":         unset("false, or one message can purge all others"),
		"allow_msg_ttl":             unset("false, or messages vanish that have a Nats-TTL"),
		"subject_delete_marker_ttl": noTime("0, or the server's markers are delivered"),
		"allow_msg_counter":         unset("false, or the server changes bodies"),
		"allow_msg_schedules":       unset("false, or schedules are delivered before they are due"),
		"subject_transform":         unset("none, or messages change their subjects"),
		"mirror":                    unset("none, or nothing can be published"),
		"consumer_limits":           unset("none, or the consumer is deleted when no session is open"),
		"template_owner":            unset("none"),

		"duplicate_window": lasts(b.config.Duplicates, "Duplicates"),
		"num_replicas":     anything,
	}
	if n := b.config.Replicas; n != 0 {
		r["num_replicas"] = number(int64(n), fmt.Sprintf("%d, as Config.Replicas", n))
	}
	return r.free("name", "description", "metadata", "placement", "compression", "first_seq",
		"max_msgs", "max_bytes", "max_msg_size", "max_consumers", "discard_new_per_subject",
		"allow_direct", "mirror_direct", "republish", "sources", "deny_delete", "deny_purge",
		"allow_atomic", "allow_batched")
}

// keyRules are those of the stream of unique keys. Its window and its replicas follow the queue's.
func keyRules(name string) rules {
	return rules{
		"subjects":             {must: fmt.Sprintf("a list with %q", name+".*"), holds: hasSubject(name + ".*")},
		"retention":            exactly("limits"),
		"max_msgs_per_subject": number(1, "1"),
		"discard": {
			must:  "new, or no limits: otherwise the oldest keys are forgotten",
			holds: func(have any, all properties) bool { return have == "new" || !all.limited() },
		},
		"max_consumers":             anything,
		"no_ack":                    unset("false, or a publisher gets no confirms"),
		"sealed":                    unset("false, or nothing can be published"),
		"persist_mode":              unset("default, or a confirmed key may not be on the disk"),
		"allow_direct":              {must: "true", holds: func(have any, _ properties) bool { return have == true }},
		"allow_msg_counter":         unset("false"),
		"allow_msg_schedules":       unset("false"),
		"subject_transform":         unset("none"),
		"mirror":                    unset("none"),
		"discard_new_per_subject":   unset("false, or a key can't be recorded again"),
		"subject_delete_marker_ttl": noTime("0"),
	}.free("name", "description", "metadata", "placement", "compression", "first_seq", "storage", "max_age",
		"duplicate_window", "num_replicas", "max_msgs", "max_bytes", "max_msg_size", "allow_rollup_hdrs",
		"allow_msg_ttl", "mirror_direct", "republish", "sources", "deny_delete", "deny_purge", "consumer_limits",
		"template_owner", "allow_atomic", "allow_batched")
}

// consumerRules are those of the consumer that all sessions of a queue share. Requests honour
// max_batch and max_expires. They never ask for a number of bytes, which is all that max_bytes
// limits. A pause ends at its time, or when the operator ends it.
func (b *Broker) consumerRules() rules {
	return rules{
		"durable_name":   exactly(consumerName),
		"deliver_policy": exactly("all"),
		"ack_policy":     exactly("explicit"),
		"replay_policy":  exactly("instant"),
		"ack_wait":       lasts(b.config.Lease, "Lease"),

		"max_deliver": {must: "-1 (unlimited), because the consumer of gentask decides", holds: unlimited},
		"max_ack_pending": {
			must:  "-1 (unlimited), because each session has a prefetch of its own",
			holds: unlimited,
		},
		"backoff":         unset("none, because it replaces ack_wait"),
		"filter_subject":  unset("none, or the other messages are never delivered"),
		"filter_subjects": unset("none, or the other messages are never delivered"),
		"headers_only":    unset("false, or messages are delivered without their bodies"),
		"max_expires": {
			must: fmt.Sprintf("0 (unlimited), or at least %v", minExpiry), time: true,
			holds: func(have any, all properties) bool {
				return isUnset(have) || all.duration("max_expires") >= minExpiry
			},
		},

		"opt_start_seq":      unset("0, or the messages before it are never delivered"),
		"opt_start_time":     unset("none, or the messages before it are never delivered"),
		"rate_limit_bps":     unset("0, because it is for push consumers"),
		"flow_control":       unset("false, because it is for push consumers"),
		"idle_heartbeat":     noTime("0, because it is for push consumers"),
		"deliver_subject":    unset("none, because sessions pull"),
		"deliver_group":      unset("none, because sessions pull"),
		"inactive_threshold": noTime("0, or attempts and delays are forgotten when no session is open"),
		"mem_storage":        unset("false, or attempts and delays are forgotten with the server"),
		"priority_groups":    unset("none: a session requests messages for no group"),
		"priority_policy":    unset("none: a session requests messages for no group"),
		"priority_timeout":   noTime("0: a session requests messages for no group"),
		"direct":             unset("false, because it is the server's own"),
		"sourcing":           unset("false, because it is the server's own"),
	}.free("name", "description", "metadata", "sample_freq", "num_replicas", "max_waiting", "max_batch", "max_bytes",
		"pause_until")
}

// free adds properties that may have any value.
func (r rules) free(names ...string) rules {
	for _, name := range names {
		r[name] = anything
	}
	return r
}

func hasSubject(want string) func(any, properties) bool {
	return func(_ any, all properties) bool { return slices.Contains(all.texts("subjects"), want) }
}

// keepsPerSubject reports whether a limit for each subject refuses the new message. Discard policy
// new is not enough for that.
func keepsPerSubject(have any, all properties) bool {
	return isUnset(have) || all["discard_new_per_subject"] == true
}

// unlimited also accepts numbers below -1, and none.
func unlimited(have any, _ properties) bool {
	if have == nil {
		return true
	}
	n, ok := have.(json.Number)
	if !ok {
		return false
	}
	i, err := n.Int64()
	return err == nil && i <= 0
}

// limited reports whether a stream has a limit of number or size.
func (p properties) limited() bool { return p.number("max_msgs") > 0 || p.number("max_bytes") > 0 }
