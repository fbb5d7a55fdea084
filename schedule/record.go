package schedule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gentask/gentask/queue"
)

// format is that of the records. A new one is for what an older program would get wrong.
const format = 1

const (
	// maxRecord is the size of a record that fits every [queue.Store].
	maxRecord = 32 << 10

	// maxPlan is the most bytes of a stored plan's name, as a part of a key.
	maxPlan = 100
)

// planRecord is a plan as it is kept in the store, in JSON.
type planRecord struct {
	Format  int       `json:"v"`
	Name    string    `json:"name"`
	Cron    string    `json:"cron"`
	Zone    string    `json:"zone,omitempty"`
	Missed  string    `json:"missed"`
	Message message   `json:"message"`
	Paused  bool      `json:"paused,omitempty"`
	Changed time.Time `json:"changed"`

	// Since is when the plan was put while there was none of its name. Records of the last firing,
	// and of what was asked for, may be left of a plan that was removed before: they are not its
	// own.
	Since time.Time `json:"since,omitzero"`
}

// message is the part of a [queue.Message] that a plan may have.
type message struct {
	Body        []byte            `json:"body,omitempty"`
	Headers     map[string][]byte `json:"headers,omitempty"`
	ContentType string            `json:"content_type,omitempty"`
	Priority    int               `json:"priority,omitempty"`
	Properties  *queue.Properties `json:"properties,omitempty"`
}

// firedRecord is the last firing of a plan as it is kept in the store, in JSON.
type firedRecord struct {
	Format  int       `json:"v"`
	Planned time.Time `json:"planned"`
}

// newRecord returns the record of a plan that changes now. The error wraps [queue.ErrConfig].
func newRecord(p Plan) (*planRecord, error) {
	t, err := newTimetable(p, "Plan")
	if err != nil {
		return nil, err
	}
	if err := storable(t.Plan); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	r := &planRecord{
		Format: format, Name: p.Name, Cron: p.Cron, Zone: p.Zone, Missed: p.Missed.String(), Changed: now, Since: now,
		Message: message{
			Body: t.Message.Body, ContentType: p.Message.ContentType, Priority: p.Message.Priority,
			Properties: t.Message.Properties,
		},
	}
	for name, value := range p.Message.Headers {
		if r.Message.Headers == nil {
			r.Message.Headers = make(map[string][]byte, len(p.Message.Headers))
		}
		r.Message.Headers[name] = []byte(value)
	}
	_, err = r.encode()
	return r, err
}

// storable returns an error for a plan that a record can't hold.
func storable(p Plan) error {
	if n := len(queue.EncodeKey(p.Name)); n > maxPlan {
		return badConfig("Plan.Name", fmt.Sprintf("%.80q, of %d bytes in a key", p.Name, n), "at most 100 of them")
	}
	if !p.Message.Time.IsZero() {
		return badConfig("Plan.Message.Time", p.Message.Time, "zero: each firing has its own")
	}
	texts := map[string]string{"Name": p.Name, "Zone": p.Zone, "Message.ContentType": p.Message.ContentType}
	for name := range p.Message.Headers {
		texts["Message.Headers"] += name
	}
	for name, value := range p.Message.Properties.Headers() {
		texts["Message.Properties, "+name] = value
	}
	for field, text := range texts {
		if !utf8.ValidString(text) {
			return badConfig("Plan."+field, fmt.Sprintf("%.80q", text), "UTF-8")
		}
	}
	return nil
}

// encode returns the record in JSON.
func (r *planRecord) encode() ([]byte, error) {
	value, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("schedule: plan %q: %w: %w", r.Name, queue.ErrConfig, err)
	}
	if len(value) > maxRecord {
		return nil, badConfig("Plan.Message", fmt.Sprintf("%d bytes with its plan in the store", len(value)),
			fmt.Sprintf("at most %d: keep the payload elsewhere", maxRecord))
	}
	return value, nil
}

// decodePlan returns the record in value. The error wraps [queue.ErrUnknown] if another program has
// written what this one does not know.
func decodePlan(value []byte) (*planRecord, error) {
	var r planRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return nil, fmt.Errorf("%w: the record is no plan: %w", queue.ErrUnknown, err)
	}
	if r.Format != format {
		return nil, fmt.Errorf("%w: the plan has format %d, this program knows %d", queue.ErrUnknown, r.Format, format)
	}
	return &r, nil
}

// same reports whether both are the same plan, whenever they were put or changed.
func (r *planRecord) same(other *planRecord) bool {
	a, b := *r, *other
	a.Since, a.Changed, a.Paused = b.Since, b.Changed, b.Paused
	one, err := a.encode()
	two, errTwo := b.encode()
	return err == nil && errTwo == nil && bytes.Equal(one, two)
}

// timetable returns the plan of the record, and why this program can't run it.
func (r *planRecord) timetable() (timetable, error) {
	p := Plan{Name: r.Name, Cron: r.Cron, Zone: r.Zone, Message: queue.Message{
		Body: r.Message.Body, ContentType: r.Message.ContentType, Priority: r.Message.Priority,
		Properties: r.Message.Properties,
	}}
	for name, value := range r.Message.Headers {
		if p.Message.Headers == nil {
			p.Message.Headers = make(map[string]string, len(r.Message.Headers))
		}
		p.Message.Headers[name] = string(value)
	}
	switch r.Missed {
	case Skip.String():
		p.Missed = Skip
	case Latest.String():
		p.Missed = Latest
	default:
		return timetable{}, fmt.Errorf("%w: Plan.Missed is %.80q", queue.ErrUnknown, r.Missed)
	}
	return newTimetable(p, "Plan")
}

// decodeFired returns the planned time in value, and zero if there is none that this program can
// read.
func decodeFired(value []byte) time.Time {
	var r firedRecord
	if json.Unmarshal(value, &r) != nil || r.Format != format {
		return time.Time{}
	}
	return r.Planned
}

func (p *Plans) planKey(name string) string  { return p.prefix + ".plan." + queue.EncodeKey(name) }
func (p *Plans) firedKey(name string) string { return p.prefix + ".fired." + queue.EncodeKey(name) }

// parseKey returns the encoded name in a key, and of which kind the record is.
func (p *Plans) parseKey(key string) (kind, name string) {
	rest, _ := strings.CutPrefix(key, p.prefix+".")
	kind, name, _ = strings.Cut(rest, ".")
	return kind, name
}
