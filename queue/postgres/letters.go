package postgres

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask/queue"
)

// Letters returns the operator's access to the dead letters. Its calls hide no letter from each
// other. A letter is given back in one transaction: never twice, and never lost.
func (q *Queue) Letters() *queue.Letters { return queue.NewLetters(letterBox{q}) }

// letterBox implements queue.LetterBox.
type letterBox struct{ q *Queue }

func (b letterBox) OpenLetters(ctx context.Context) (queue.LetterWalk, error) {
	w := &letterWalk{q: b.q}
	return w, b.q.ask(ctx, b.q.broker.sql.lastLetter, nil, &w.end)
}

// lettersMost is the most letters in memory.
const lettersMost = 100

// letterWalk implements queue.LetterWalk.
type letterWalk struct {
	q    *Queue
	end  int64 // the last number to be seen
	next []letter
	at   letter // the letter that Next returned last

	removed bool // letters were removed, and may come back if the server crashes
}

type letter struct {
	queue.Message
	number int64
	locked bool // it had a key with queue.UntilDone
}

func (w *letterWalk) Next(ctx context.Context) (queue.Message, error) {
	if len(w.next) == 0 {
		if err := w.read(ctx); err != nil {
			return queue.Message{}, w.q.wrap(ctx, err)
		}
	}
	if len(w.next) == 0 {
		return queue.Message{}, io.EOF
	}
	w.at, w.next = w.next[0], w.next[1:]
	return w.at.Message, nil
}

// Position implements queue.LetterSeeker: the number of the letter.
func (w *letterWalk) Position() string { return strconv.FormatInt(w.at.number, 10) }

// Seek implements queue.LetterSeeker.
func (w *letterWalk) Seek(position string) (err error) {
	if w.at.number, err = strconv.ParseInt(position, 10, 64); err != nil {
		return fmt.Errorf("postgres: %w: the position of a letter is %.80q, must be a number", queue.ErrConfig,
			position)
	}
	return nil
}

// read reads the letters that follow.
func (w *letterWalk) read(ctx context.Context) error {
	b := w.q.broker
	rows, err := b.pool.Query(ctx, b.sql.letters, b.mode, w.q.name, w.at.number, w.end, lettersMost)
	if err != nil {
		return err
	}
	w.next, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (letter, error) {
		var l letter
		headers := ""
		err := row.Scan(&l.number, &l.Priority, &l.Time, &l.ID, &l.ContentType, &headers, &l.Body, &l.locked)
		l.Headers, l.Properties = decodeHeaders(headers)
		return l, err
	})
	return err
}

func (w *letterWalk) Redrive(ctx context.Context, rewrite queue.Rewrite) (bool, error) {
	b, m := w.q.broker, &w.at.Message
	headers := rewrite.Apply(m.Headers)
	args := []any{
		w.at.number, usedUp(headers), encodeHeaders(headers, m.Properties), channelOf(b.config.Schema, w.q.name),
	}
	if w.at.locked {
		return w.redriveLocked(ctx, args)
	}
	done := 0
	err := w.q.ask(ctx, b.sql.redriveLetter, args, &done, nil, nil)
	return done > 0, err
}

// redriveLocked gives the letter back unless its key is taken. Then the letter stays.
func (w *letterWalk) redriveLocked(ctx context.Context, args []any) (bool, error) {
	b, letters := w.q.broker, 0
	args = append([]any{b.mode, w.q.name}, args...)
	err := pgx.BeginTxFunc(ctx, b.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		jobs := 0
		err := tx.QueryRow(ctx, b.sql.redriveLocked, args...).Scan(&letters, &jobs, nil)
		if err == nil && jobs < letters {
			err = queue.ErrKeyTaken // rolls back
		}
		return err
	})
	return err == nil && letters > 0, w.q.wrap(ctx, err)
}

func (w *letterWalk) Remove(ctx context.Context) (bool, error) {
	b := w.q.broker
	tag, err := b.pool.Exec(ctx, b.sql.removeLetter, b.mode, w.q.name, w.at.number)
	if err != nil {
		return false, fmt.Errorf("postgres: queue %q: %w", w.q.name, explain(err))
	}
	w.removed = true
	return tag.RowsAffected() > 0, nil
}

// Close makes the removals certain: thousands of them wait for the disk once.
func (w *letterWalk) Close(ctx context.Context) error {
	if !w.removed {
		return nil
	}
	if _, err := w.q.broker.pool.Exec(ctx, flush, w.q.broker.mode); err != nil {
		return w.q.wrap(ctx, err)
	}
	return nil
}
