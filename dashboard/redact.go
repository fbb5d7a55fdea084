package dashboard

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
)

// redacted returns a letter as it may be shown. It returns false if Config.Redact has failed: then
// nothing of the letter may be.
func (d *Dashboard) redacted(ctx context.Context, name string, l *queue.Letter) (queue.Letter, bool) {
	if d.cfg.Redact == nil {
		return *l, true
	}
	// Copies: the driver may keep the letter, or this one may still be changed after a late return.
	body, headers := bytes.Clone(l.Body), map[string]string{}
	maps.Copy(headers, l.Headers)
	type shown struct {
		body    []byte
		headers map[string]string
	}
	s, ok := ask(ctx, d.hooks, d.hooks.redact, func() shown {
		b, h := d.cfg.Redact(name, body, headers)
		return shown{b, h}
	})
	if !ok {
		return queue.Letter{}, false
	}
	m := l.Message
	m.Body, m.Headers = s.body, s.headers
	return queue.ReadLetter(m), true
}

// letterRow is what a list shows of a letter.
type letterRow struct {
	Key         string // see keyOf
	Hidden      bool   // Config.Redact has failed: the fields below are empty
	ID          string
	Kind        string
	Reason      string
	Like        string // see pattern
	Fingerprint string
	letterTimes
	Attempts, Deaths, Size int
}

// mostReason is the most bytes of a reason in a list.
const mostReason = 300

// row returns what a list shows of a letter.
func (d *Dashboard) row(ctx context.Context, name string, l *queue.Letter) letterRow {
	key := keyOf(l)
	shown, ok := d.redacted(ctx, name, l)
	if !ok {
		return letterRow{Key: key, Hidden: true}
	}
	return letterRow{
		Key: key, ID: shown.ID, Kind: shown.Headers[queue.HeaderKind], Reason: clip(cause(shown.Reason), mostReason),
		Like: pattern(shown.Reason), Fingerprint: shown.Fingerprint, letterTimes: letterTimes{DeadAt: shown.DeadAt},
		Attempts: shown.Attempts, Deaths: shown.Deaths, Size: len(shown.Body),
	}
}

// keyOf returns a text that identifies a letter in its queue. It has no trace of the content, which
// Config.Redact may hide. Letters that differ in their body only may have the same one.
func keyOf(l *queue.Letter) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d %d %d", l.ID, instant(l.DeadAt), instant(l.Time), l.Attempts))
	return hex.EncodeToString(sum[:8])
}

// instant returns numbers for t, of any year, that do not depend on its time zone.
func instant(t time.Time) [2]int64 { return [2]int64{t.Unix(), int64(t.Nanosecond())} }

// cause returns a reason without the words about the attempts that gentask puts before it. A list
// has a column for them.
func cause(reason string) string {
	var attempt, most int
	if _, err := fmt.Sscanf(reason, "gentask: attempt %d of %d failed: ", &attempt, &most); err != nil {
		return reason
	}
	_, rest, _ := strings.Cut(reason, " failed: ")
	return rest
}

// pattern returns what the reasons of letters that died alike have in common, after however many
// attempts.
func pattern(reason string) string { return queue.ReasonPattern(cause(reason)) }
