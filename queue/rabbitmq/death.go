package rabbitmq

import (
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// headerDeath holds the broker's records of dead-lettering, the newest first.
const headerDeath = "x-death"

// death is one record of the broker: why, when and from which queue it dead-lettered a message.
type death struct {
	reason, queue      string
	exchange, key, ttl string // as the message was published
	at                 time.Time
}

// newestDeath returns the newest record that is not of the queue except, and reports whether there
// is one. Any program may have written the header.
func newestDeath(headers amqp.Table, except string) (d death, found bool) {
	all, _ := headers[headerDeath].([]any)
	for _, one := range all {
		fields, _ := one.(amqp.Table)
		d.reason, _ = fields["reason"].(string)
		d.queue, _ = fields["queue"].(string)
		if d.reason == "" || d.queue == except {
			continue
		}
		d.at, _ = fields["time"].(time.Time)
		d.exchange, _ = fields["exchange"].(string)
		d.ttl, _ = fields["original-expiration"].(string)
		if keys, _ := fields["routing-keys"].([]any); len(keys) > 0 {
			d.key, _ = keys[0].(string)
		}
		return d, true
	}
	return death{}, false
}

// why returns the reason as an operator reads it, with the broker's word for it.
func (d *death) why() string {
	explained := map[string]string{
		"expired":        "its time to live was over",
		"maxlen":         "the queue was longer than its limit",
		"rejected":       "it was given back without requeue",
		"delivery_limit": "it was given back more often than the queue's delivery limit",
	}[d.reason]
	if explained == "" {
		return "rabbitmq: dead-lettered by the broker: " + d.reason
	}
	return "rabbitmq: dead-lettered by the broker: " + d.reason + ": " + explained
}

// letterOf returns the user's view of a dead letter. A letter that the broker made gets the headers
// that this driver would have written, and the properties that the broker has moved to its record.
func (q *Queue) letterOf(raw *amqp.Delivery, by scale) queue.Message {
	m := message(raw, by)
	d, found := newestDeath(raw.Headers, q.deadName())
	if !found || ownDeath(m.Headers, d.at) {
		return m
	}
	m.Properties = d.restore(m.Properties)
	m.Headers[queue.HeaderQueue] = d.queue
	if !d.at.IsZero() {
		m.Headers[queue.HeaderDeadAt] = d.at.UTC().Format(time.RFC3339Nano)
	}
	reason := d.why()
	if last := m.Headers[queue.HeaderReason]; last != "" {
		reason += "; its last attempt: " + last
	}
	m.Headers[queue.HeaderReason] = cut(reason, queue.MaxReason)
	return m
}

// ownDeath reports whether this driver dead-lettered the message, and no earlier than at.
func ownDeath(headers map[string]string, at time.Time) bool {
	own, err := time.Parse(time.RFC3339Nano, headers[queue.HeaderDeadAt])
	return err == nil && !own.Before(at)
}

// restore returns p with the properties that are only in the record.
func (d *death) restore(p *queue.Properties) *queue.Properties {
	var all queue.Properties
	if p != nil {
		all = *p
	}
	if all.Expiration == 0 {
		all.Expiration = queue.ParseExpiration(d.ttl)
	}
	if d.exchange != amqp.DefaultExchange {
		all.Exchange, all.Subject = d.exchange, d.key
	}
	return all.OrNil()
}
