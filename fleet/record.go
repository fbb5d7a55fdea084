package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// format is the version of records, questions and answers that this package writes. A reader
// ignores fields that it doesn't know. A new format is for what an old reader would get wrong.
const format = 1

// record is a command as it is kept in the store, in JSON.
type record struct {
	Format int  `json:"v"`
	Kind   kind `json:"kind"`

	// The target: a queue, a job (of any queue if Queue is empty), or an instance of a node.
	Queue    string `json:"queue,omitempty"`
	Job      string `json:"job,omitempty"`
	Node     string `json:"node,omitempty"`
	Instance string `json:"instance,omitempty"`

	// The value, by kind. Zero means as configured, or taken back.
	On          bool   `json:"on,omitempty"`
	Concurrency int    `json:"concurrency,omitempty"`
	Rate        *Rate  `json:"rate,omitempty"`
	Reset       uint64 `json:"reset,omitempty"`

	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`

	// Generation counts the commands under this key. Writes identifies the last ones, so that a
	// writer whose answer was lost finds its own.
	Generation uint64   `json:"generation"`
	Writes     []string `json:"writes"`
}

// Rate is a [gentask.Rate] in JSON.
type Rate struct {
	PerSecond float64 `json:"per_second"`
	Burst     int     `json:"burst,omitempty"`
}

// kind is the kind of a command. The set is closed.
type kind string

const (
	kindPaused      kind = "paused"
	kindConcurrency kind = "concurrency"
	kindRate        kind = "rate"
	kindBreakerOpen kind = "breaker_open"
	kindReset       kind = "breaker_reset"
	kindCancelled   kind = "cancelled"
	kindDrained     kind = "drained"
)

// prefix is that of all commands. Other parts of the package have prefixes of their own.
const prefix = "command"

// key returns where the record is kept; empty for an unknown kind.
func (r *record) key() string {
	switch r.Kind {
	case kindPaused, kindConcurrency, kindRate, kindBreakerOpen, kindReset:
		return prefix + ".queue." + part(r.Queue) + "." + string(r.Kind)
	case kindCancelled:
		return prefix + ".cancelled." + part(r.Queue) + "." + part(r.Job)
	case kindDrained:
		return prefix + ".node." + part(r.Node) + ".drained"
	}
	return ""
}

// maxPart is the longest encoded text in a key. A key has two at most.
const maxPart = 80

// part returns text as a part of a key: encoded, or hashed if it is too long.
func part(text string) string {
	if encoded := queue.EncodeKey(text); len(encoded) <= maxPart {
		return encoded
	}
	sum := sha256.Sum256([]byte(text))
	return "=h" + hex.EncodeToString(sum[:16]) // no encoded text has this
}

// read returns the record in value, if it is a command that belongs to key.
func read(key string, value []byte) (*record, error) {
	var r record
	if len(value) > leastValue {
		return nil, fmt.Errorf("%w: it has %d bytes; want at most %d", ErrRecord, len(value), leastValue)
	}
	if err := json.Unmarshal(value, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if r.Format != format {
		return nil, fmt.Errorf("%w: it has format %d; this program knows %d", ErrRecord, r.Format, format)
	}
	if r.key() != key {
		return nil, fmt.Errorf("%w: its kind %q belongs under %q", ErrRecord, clip(string(r.Kind), 50), r.key())
	}
	if err := r.check(math.MaxInt); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return &r, nil
}

// check returns why a consumer with that prefetch can't follow the record.
func (r *record) check(prefetch int) error {
	var o gentask.Overrides
	r.apply(&o)
	return o.Check(prefetch)
}

// apply adds the record to overrides.
func (r *record) apply(o *gentask.Overrides) {
	a := gentask.Author{By: r.By, Reason: r.Reason}
	switch r.Kind {
	case kindPaused:
		o.Paused = gentask.Override[bool]{Value: r.On, Author: a}
	case kindConcurrency:
		o.Concurrency = gentask.Override[int]{Value: r.Concurrency, Author: a}
	case kindRate:
		o.Rate = gentask.Override[*gentask.Rate]{Author: a}
		if r.Rate != nil {
			o.Rate.Value = &gentask.Rate{PerSecond: r.Rate.PerSecond, Burst: r.Rate.Burst}
		}
	case kindBreakerOpen:
		o.BreakerOpen = gentask.Override[bool]{Value: r.On, Author: a}
	case kindReset:
		o.BreakerReset = gentask.Override[uint64]{Value: r.Reset, Author: a}
	case kindDrained:
		o.Drained = gentask.Override[bool]{Value: r.On, Author: a}
	case kindCancelled:
		if r.On {
			if o.Cancelled == nil {
				o.Cancelled = map[string]gentask.Author{}
			}
			o.Cancelled[r.Job] = a
		}
	}
}

// concerns reports whether the record is for a consumer of that queue, in that instance of a node.
func (r *record) concerns(at place) bool {
	switch r.Kind {
	case kindDrained:
		return r.Node == at.node && r.Instance == at.instance
	case kindCancelled:
		return r.Queue == "" || r.Queue == at.queue
	case kindPaused, kindConcurrency, kindRate, kindBreakerOpen, kindReset:
		return r.Queue == at.queue
	}
	return false
}

// place is where a consumer is.
type place struct {
	queue, node, instance string
	prefetch              int
}

// off reports whether the record takes its command back.
func (r *record) off() bool { return !r.On && r.Concurrency == 0 && r.Rate == nil && r.Reset == 0 }
