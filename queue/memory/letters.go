package memory

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/gentask/gentask/queue"
)

// letters are the dead letters of a queue, the oldest first.
type letters struct {
	all  []letter
	last uint64 // the highest number ever given
}

// letter is a dead letter. Numbers increase.
type letter struct {
	queue.Message
	number uint64
	key    string // that it had until it was dead-lettered: see queue.UntilDone
}

// add appends m.
func (l *letters) add(m queue.Message, key string) {
	l.last++
	l.all = append(l.all, letter{m, l.last, key})
}

// find returns the index of the letter with that number, or the index at which it would be, and
// whether it is there.
func (l *letters) find(number uint64) (int, bool) {
	return slices.BinarySearchFunc(l.all, number, func(one letter, n uint64) int { return cmp.Compare(one.number, n) })
}

// remove removes the letter at index i.
func (l *letters) remove(i int) { l.all = slices.Delete(l.all, i, i+1) }

// DeadLetters returns a copy of the dead-letter queue, the oldest first.
func (q *Queue) DeadLetters() []queue.Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make([]queue.Message, len(q.letters.all))
	for i, l := range q.letters.all {
		all[i] = l.Message
	}
	return all
}

// Letters returns the operator's access to the dead letters. In [Stats] a letter that is given back
// counts as published again. In a closed queue letters can be listed and purged, but Redrive
// returns [queue.ErrClosed]. Letters hides no letter from another call, nor from
// [Queue.DeadLetters].
func (q *Queue) Letters() *queue.Letters { return queue.NewLetters(letterBox{q}) }

// letterBox implements queue.LetterBox.
type letterBox struct{ q *Queue }

func (b letterBox) OpenLetters(ctx context.Context) (queue.LetterWalk, error) {
	b.q.mu.Lock()
	defer b.q.mu.Unlock()
	return &letterWalk{q: b.q, end: b.q.letters.last}, ctx.Err()
}

// letterWalk implements queue.LetterWalk.
type letterWalk struct {
	q   *Queue
	at  uint64 // the number of the letter that Next returned last
	end uint64 // the last number to be seen
}

func (w *letterWalk) Next(ctx context.Context) (queue.Message, error) {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	i, found := w.q.letters.find(w.at)
	if found {
		i++
	}
	if i == len(w.q.letters.all) || w.q.letters.all[i].number > w.end {
		return queue.Message{}, io.EOF
	}
	w.at = w.q.letters.all[i].number
	return w.q.letters.all[i].Message, ctx.Err()
}

// Position implements queue.LetterSeeker: the number of the letter.
func (w *letterWalk) Position() string { return strconv.FormatUint(w.at, 10) }

// Seek implements queue.LetterSeeker.
func (w *letterWalk) Seek(position string) (err error) {
	if w.at, err = strconv.ParseUint(position, 10, 64); err != nil {
		return fmt.Errorf("memory: %w: the position of a letter is %.80q, must be a number", queue.ErrConfig, position)
	}
	return nil
}

// Redrive honours the faults of publishing.
func (w *letterWalk) Redrive(ctx context.Context, rewrite queue.Rewrite) (bool, error) {
	if err := w.q.admit(ctx); err != nil {
		return false, err
	}
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	if w.q.closed {
		return false, queue.ErrClosed
	}
	i, found := w.q.letters.find(w.at)
	if !found {
		return false, nil
	}
	m := w.q.letters.all[i].Message
	m.Headers = rewrite.Apply(m.Headers)
	if key := w.q.letters.all[i].key; key != "" {
		m.UniqueKey, m.UniqueUntil = key, queue.UntilDone
	}
	if w.q.repeated(&m) {
		return false, queue.ErrKeyTaken
	}
	w.q.letters.remove(i)
	w.q.accept(m)
	w.q.wake()
	return true, nil
}

func (w *letterWalk) Remove(ctx context.Context) (bool, error) {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	i, found := w.q.letters.find(w.at)
	if err := ctx.Err(); err != nil || !found {
		return false, err
	}
	w.q.letters.remove(i)
	return true, nil
}

func (w *letterWalk) Close(context.Context) error { return nil }
