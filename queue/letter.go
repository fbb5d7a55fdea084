package queue

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HeaderHistory holds the earlier deaths of a message that was re-driven, in JSON: see Letter.History.
const HeaderHistory = "gentask-history"

// MaxHistory is how many of its earlier deaths a message remembers, the last ones; their number it remembers beyond that.
const MaxHistory = 10

// Letter is a dead letter: a message that was given up, and what is known about why. What the headers of a stranger's message do not tell is zero.
type Letter struct {
	// Message is the letter as it lies there, with all its headers. A foreign message without an id has none, or one that its driver made up.
	Message

	// Queue is the name of the queue that it was dead-lettered from.
	Queue string

	// Attempts is how many attempts it had used up, from 0.
	Attempts int

	// Reason is why it was dead-lettered: the error's text, cut to MaxReason bytes.
	Reason string

	// Stack is the stack that belongs to Reason, cut to MaxStack bytes; empty when there is none.
	Stack string

	// Fingerprint names the place where it panicked: Fingerprint(Stack).
	Fingerprint string

	// DeadAt is when it was dead-lettered.
	DeadAt time.Time

	// Deaths is how often the message was dead-lettered, this time included: one more than it was re-driven.
	Deaths int

	// History is how it was dead-lettered before, the oldest first, at most MaxHistory times.
	History []Death
}

// Death is an earlier time at which a message was dead-lettered, and how that ended.
type Death struct {
	DeadAt      time.Time `json:"dead_at,omitzero"`
	RedrivenAt  time.Time `json:"redriven_at,omitzero"`
	Attempts    int       `json:"attempts"`
	Reason      string    `json:"reason,omitempty"` // its first 200 bytes
	Fingerprint string    `json:"fingerprint,omitempty"`

	// Redrive names the call of Letters.Redrive that gave it back.
	Redrive string `json:"redrive,omitempty"`
}

// history is what HeaderHistory holds.
type history struct {
	Deaths int     `json:"deaths"` // all of them
	Last   []Death `json:"last"`
}

const (
	// maxHistory is more than the JSON of a history takes. What is longer was not written by this library.
	maxHistory = 16 << 10

	// maxDeathReason is how many bytes of a reason a history keeps.
	maxDeathReason = 200

	// maxCount bounds what is believed of a counter that anybody may have written.
	maxCount = math.MaxInt32 / 4
)

// ReadLetter returns what the headers of a dead letter say. Whatever a stranger has written there, it is read as far as it can be.
func ReadLetter(m Message) Letter {
	past := readHistory(m.Headers[HeaderHistory])
	letter := Letter{
		Message: m, Queue: m.Headers[HeaderQueue], Attempts: readCount(m.Headers[HeaderAttempts]), Reason: m.Headers[HeaderReason],
		Stack: m.Headers[HeaderStack], Deaths: past.Deaths + 1, History: past.Last,
	}
	letter.Fingerprint = Fingerprint(letter.Stack)
	if at, err := time.Parse(time.RFC3339Nano, m.Headers[HeaderDeadAt]); err == nil {
		letter.DeadAt = at
	}
	return letter
}

// again says how the headers of a letter change when it is re-driven by the call of that name: it begins anew, and its death is history.
func (l *Letter) again(redrive string, now time.Time) Rewrite {
	last := append(slices.Clone(l.History), Death{
		DeadAt: l.DeadAt, RedrivenAt: now.UTC(), Attempts: l.Attempts, Fingerprint: l.Fingerprint, Redrive: redrive,
		Reason: strings.ToValidUTF8(l.Reason[:min(len(l.Reason), maxDeathReason)], ""),
	})
	past, err := json.Marshal(history{Deaths: l.Deaths, Last: last[max(0, len(last)-MaxHistory):]})
	if err != nil {
		past = nil // a time beyond the year 9999: a stranger's joke costs the message its history
	}
	return Rewrite{
		HeaderAttempts: "", HeaderReason: "", HeaderStack: "", HeaderQueue: "", HeaderDeadAt: "", HeaderHistory: string(past),
	}
}

// redrivenBy reports whether it was the call of that name that gave the message back last.
func (l *Letter) redrivenBy(redrive string) bool {
	return len(l.History) > 0 && l.History[len(l.History)-1].Redrive == redrive
}

// readHistory believes what this library can have written.
func readHistory(text string) history {
	var past history
	if text == "" || len(text) > maxHistory || json.Unmarshal([]byte(text), &past) != nil {
		return history{}
	}
	past.Last = past.Last[max(0, len(past.Last)-MaxHistory):]
	for i := range past.Last {
		d := &past.Last[i]
		d.Attempts = max(0, min(d.Attempts, maxCount))
		d.Reason = d.Reason[:min(len(d.Reason), maxDeathReason)]
	}
	past.Deaths = max(len(past.Last), min(past.Deaths, maxCount))
	return past
}

// readCount reads a counter that anybody may have written.
func readCount(text string) int {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return int(max(0, min(n, maxCount))) // out of range: the nearest number
}
