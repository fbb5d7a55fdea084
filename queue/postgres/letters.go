package postgres

import (
	"context"
	"fmt"
	"io"

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
const lettersMost = 50

// letterWalk implements queue.LetterWalk.
type letterWalk struct {
	q    *Queue
	end  int64 // the last number to be seen
	next []letter
	at   letter // the letter that Next returned last
}

type letter struct {
	queue.Message
	number int64
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
		err := row.Scan(&l.number, &l.Priority, &l.Time, &l.ID, &l.ContentType, &headers, &l.Body)
		l.Headers, l.Properties = decodeHeaders(headers)
		return l, err
	})
	return err
}

func (w *letterWalk) Redrive(ctx context.Context, rewrite queue.Rewrite) (bool, error) {
	b, m := w.q.broker, &w.at.Message
	headers := rewrite.Apply(m.Headers)
	done, told := 0, false
	err := w.q.ask(ctx, b.sql.redriveLetter, []any{
		w.at.number, used(headers), encodeHeaders(headers, m.Properties), channelOf(b.config.Schema, w.q.name),
	}, &done, &told)
	return done > 0, err
}

func (w *letterWalk) Remove(ctx context.Context) (bool, error) {
	b := w.q.broker
	tag, err := b.pool.Exec(ctx, b.sql.removeLetter, b.mode, w.q.name, w.at.number)
	if err != nil {
		return false, fmt.Errorf("postgres: queue %q: %w", w.q.name, explain(err))
	}
	return tag.RowsAffected() > 0, nil
}

func (w *letterWalk) Close(context.Context) error { return nil }
