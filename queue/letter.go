package queue

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// HeaderHistory holds the earlier deaths of a message that was re-driven, as JSON: see
// [Letter.History].
const HeaderHistory = "gentask-history"

// MaxHistory is the most earlier deaths that a message keeps, the last ones. Their number is kept
// beyond that.
const MaxHistory = 10

// Letter is a dead letter: a message that was given up, and the reason as far as it is known. A
// field is zero if the headers don't have it, as in a message that another program wrote.
type Letter struct {
	// Message is the letter as it is stored, with all its headers. A foreign message without an ID
	// has an empty one, or one that its driver made.
	Message

	// Queue is the name of the queue that it was dead-lettered from.
	Queue string

	// Attempts is the number of attempts that it had used up, from 0.
	Attempts int

	// Reason is the error's text, cut to [MaxReason] bytes.
	Reason string

	// Stack is the stack that belongs to Reason, cut to [MaxStack] bytes. It is empty if there is
	// none.
	Stack string

	// Log is the last log lines of the attempt that failed, cut to [MaxLog] bytes. It is empty if
	// there are none: see LogsInLetters of gentask.Config.
	Log string

	// Fingerprint identifies the place of the panic: see the function [Fingerprint] of Stack.
	Fingerprint string

	// DeadAt is the time at which it was dead-lettered.
	DeadAt time.Time

	// Deaths is the number of times that the message was dead-lettered, including this one: one
	// more than it was re-driven.
	Deaths int

	// History holds the earlier deaths, the oldest first, at most [MaxHistory] of them.
	History []Death
}

// Death describes one earlier time at which a message was dead-lettered, and how it was re-driven.
type Death struct {
	DeadAt      time.Time `json:"dead_at,omitzero"`
	RedrivenAt  time.Time `json:"redriven_at,omitzero"`
	Attempts    int       `json:"attempts"`
	Reason      string    `json:"reason,omitempty"` // its first 200 bytes
	Fingerprint string    `json:"fingerprint,omitempty"`

	// Redrive identifies the call of [Letters.Redrive] that gave it back.
	Redrive string `json:"redrive,omitempty"`
}

// history is the content of HeaderHistory.
type history struct {
	Deaths int     `json:"deaths"` // all of them
	Last   []Death `json:"last"`
}

const (
	// maxHistory is more than the JSON of a history needs. A longer one was not written by this
	// library.
	maxHistory = 16 << 10

	// maxDeathReason is the most bytes of a reason that a history keeps.
	maxDeathReason = 200
)

// ReadLetter returns the dead letter that the headers of m describe. Fields of headers that are
// missing or malformed are zero.
func ReadLetter(m Message) Letter {
	past := readHistory(m.Headers[HeaderHistory])
	attempts, _ := UsedUp(m.Headers)
	letter := Letter{
		Message: m, Queue: m.Headers[HeaderQueue], Attempts: attempts,
		Reason: m.Headers[HeaderReason],
		Stack:  m.Headers[HeaderStack], Log: m.Headers[HeaderLog], Deaths: past.Deaths + 1, History: past.Last,
	}
	letter.Fingerprint = Fingerprint(letter.Stack)
	if at, err := time.Parse(time.RFC3339Nano, m.Headers[HeaderDeadAt]); err == nil {
		letter.DeadAt = at
	}
	return letter
}

// again returns the changes to the headers of a letter that the call of that name re-drives. The
// message starts again with its first attempt, and its death is added to its history.
func (l *Letter) again(redrive string, now time.Time) Rewrite {
	last := append(slices.Clone(l.History), Death{
		DeadAt: l.DeadAt, RedrivenAt: now.UTC(), Attempts: l.Attempts, Fingerprint: l.Fingerprint, Redrive: redrive,
		Reason: strings.ToValidUTF8(l.Reason[:min(len(l.Reason), maxDeathReason)], ""),
	})
	past, err := json.Marshal(history{Deaths: l.Deaths, Last: last[max(0, len(last)-MaxHistory):]})
	if err != nil {
		past = nil // a time beyond the year 9999, which another program wrote: the history is dropped
	}
	return Rewrite{
		HeaderAttempts: "", HeaderReason: "", HeaderStack: "", HeaderLog: "", HeaderQueue: "", HeaderDeadAt: "",
		HeaderHistory: string(past),
	}
}

// redrivenBy reports whether the call of that name was the last to give the message back.
func (l *Letter) redrivenBy(redrive string) bool {
	return len(l.History) > 0 && l.History[len(l.History)-1].Redrive == redrive
}

// readHistory reads a history and limits it to values that this library can have written.
func readHistory(text string) history {
	var past history
	if text == "" || len(text) > maxHistory || json.Unmarshal([]byte(text), &past) != nil {
		return history{}
	}
	past.Last = past.Last[max(0, len(past.Last)-MaxHistory):]
	for i := range past.Last {
		d := &past.Last[i]
		d.Attempts = max(0, min(d.Attempts, MaxCount))
		d.Reason = d.Reason[:min(len(d.Reason), maxDeathReason)]
	}
	past.Deaths = max(len(past.Last), min(past.Deaths, MaxCount))
	return past
}
