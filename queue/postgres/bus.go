package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/answering"
)

// bus implements queue.Bus over two tables, because notifications are short.
type bus struct {
	*calls
	name  string
	sql   *busStatements
	ear   *ear
	used  atomic.Bool   // there may be rows to remove
	woken chan struct{} // capacity 1: there may be questions
	ready chan struct{} // closed when the first questions can be read

	mu        sync.Mutex
	own       map[*answerer]bool
	listening bool
	last      int64 // question that was read
}

// answerer is one call of Answer.
type answerer struct {
	bus   *bus
	topic string
	line  *answering.Line
}

// busStatements are the SQL of a bus.
type busStatements struct{ ask, answers, answer, newest, questions, sweepQuestions, sweepAnswers string }

func newBusStatements(schema, channel string) *busStatements {
	s := func(text string) string {
		return strings.ReplaceAll(strings.ReplaceAll(text, "{channel}", "'"+channel+"'"), "{}", schema)
	}
	sweep := func(table, column string) string {
		return s(`DELETE FROM {}.` + table + ` WHERE ctid = ANY(ARRAY(SELECT ctid FROM {}.` + table + `
			WHERE ` + column + ` < now() - interval '1 minute' LIMIT 1000 FOR UPDATE SKIP LOCKED))`)
	}
	return &busStatements{
		// the lock makes the order of numbers that of the commits
		ask: s(`WITH l AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('{} bus ' || $1, 0))), q AS (
				INSERT INTO {}.question (bus, topic, body) SELECT $1, $2, $3::bytea FROM l RETURNING id)
			SELECT id, pg_notify({channel}, '')::text FROM q`),
		answers: s(`SELECT id, body FROM {}.answer WHERE question = $1 AND id <> ALL($2::bigint[]) ORDER BY id`),
		answer:  s(`INSERT INTO {}.answer (question, body) VALUES ($1, $2)`),
		newest:  s(`SELECT coalesce(max(id), 0) FROM {}.question WHERE bus = $1`),
		questions: s(`SELECT id, topic, body FROM {}.question
			WHERE bus = $1 AND id > $2 AND asked > now() - interval '10 seconds' ORDER BY id`),
		sweepQuestions: sweep("question", "asked"), sweepAnswers: sweep("answer", "answered"),
	}
}

// Times of a bus.
const (
	lookForQuestions = 150 * time.Millisecond // where notifications don't arrive
	leastWait        = 4 * time.Millisecond   // between two looks for answers
	mostWait         = 50 * time.Millisecond
)

// Bus returns the bus of that name. Its errors are those of [Broker.Store]. Calls use the pool, for
// each answer too. The first Answer makes one connection more, for notifications, until Close.
func (b *Broker) Bus(ctx context.Context, name string) (queue.Bus, error) {
	if err := queue.CheckSeamName(name); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	channel := b.config.Schema + " bus " + name
	s := &bus{
		calls: newCalls(b), name: name, sql: newBusStatements(b.config.Schema, channel),
		woken: make(chan struct{}, 1), ready: make(chan struct{}), own: map[*answerer]bool{},
	}
	s.ear = &ear{
		calls: s.calls, channel: channel, every: lookForQuestions,
		begin: s.begin, wake: s.wake, changed: s.newest, upkeep: s.upkeep,
	}
	if err := s.read(ctx, func(ctx context.Context) error { return b.fit(ctx, b.pool) }); err != nil {
		s.end()
		return nil, err
	}
	s.tasks.Go(s.ear.keep)
	return s, nil
}

// Ask implements queue.Bus.
func (b *bus) Ask(ctx context.Context, topic string, question []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var large error
		if len(question) > maxValue {
			large = fmt.Errorf("%w: question of %d bytes, must have at most %d",
				queue.ErrTooLarge, len(question), maxValue)
		}
		err := b.calls.ready(context.Background(), queue.CheckTopic(topic), large)
		if err == nil && ctx.Err() == nil {
			err = b.ask(ctx, topic, question, func(answer []byte) bool { return yield(answer, nil) })
		}
		if err != nil && ctx.Err() == nil {
			yield(nil, err)
		}
	}
}

// ask yields answers until ctx or the loop ends, or there is an error.
func (b *bus) ask(ctx context.Context, topic string, question []byte, yield func([]byte) bool) error {
	var id int64
	b.used.Store(true)
	err := b.read(ctx, func(ctx context.Context) error { // a question that is asked twice is answered once
		return b.broker.pool.QueryRow(ctx, b.sql.ask, b.broker.mode, b.name, topic, append([]byte{}, question...)).
			Scan(&id, nil)
	})
	if err != nil {
		return err
	}
	seen := []int64{}
	for wait := leastWait; ; {
		answers, err := b.answers(ctx, id, &seen)
		if err != nil {
			return err
		}
		if len(answers) > 0 {
			wait = leastWait
		}
		if !yieldAll(ctx, answers, yield) {
			return nil
		}
		select {
		case <-time.After(wait):
			wait = min(wait*3/2, mostWait)
		case <-ctx.Done():
			return nil
		case <-b.life.Done():
			return b.closed()
		}
	}
}

// yieldAll yields answers. It returns false if ctx or the loop has ended.
func yieldAll(ctx context.Context, answers [][]byte, yield func([]byte) bool) bool {
	for _, answer := range answers {
		if ctx.Err() != nil || !yield(answer) {
			return false
		}
	}
	return true
}

// answers returns those that are not seen, and adds them to seen.
func (b *bus) answers(ctx context.Context, question int64, seen *[]int64) (answers [][]byte, err error) {
	err = b.read(ctx, func(ctx context.Context) error {
		rows, err := b.broker.pool.Query(ctx, b.sql.answers, b.broker.mode, question, *seen)
		if err != nil {
			return err
		}
		var id int64
		var body []byte
		_, err = pgx.ForEachRow(rows, []any{&id, &body}, func() error {
			*seen, answers = append(*seen, id), append(answers, append([]byte{}, body...))
			return nil
		})
		return err
	})
	return answers, err
}

// Answer implements queue.Bus.
func (b *bus) Answer(topic string, f func(question []byte) []byte) (stop func(), err error) {
	if f == nil {
		err = fmt.Errorf("%w: f is nil, must be a function", queue.ErrConfig)
	}
	if err := b.calls.ready(context.Background(), queue.CheckTopic(topic), err); err != nil {
		return nil, err
	}
	if err := b.may(); errors.Is(err, queue.ErrConfig) {
		return nil, err
	}
	b.mu.Lock()
	if err := b.closed(); err != nil {
		b.mu.Unlock()
		return nil, err
	}
	if !b.listening {
		b.listening = true
		b.tasks.Go(b.ear.listen)
		b.tasks.Go(b.serve)
	}
	a := &answerer{bus: b, topic: topic, line: answering.Start(f)}
	b.own[a] = true
	b.mu.Unlock()
	select {
	case <-b.ready:
	case <-b.life.Done():
	case <-time.After(callTimeout): // the server is away
	}
	return a.stop, nil
}

// may returns an error if the role may not read questions.
func (b *bus) may() error {
	return b.read(context.Background(), func(ctx context.Context) error {
		_, err := b.broker.pool.Exec(ctx, b.sql.questions, b.broker.mode, b.name, int64(1)<<62)
		return err
	})
}

// stop ends the answerer, and waits for the function.
func (a *answerer) stop() {
	a.bus.mu.Lock()
	delete(a.bus.own, a)
	a.bus.mu.Unlock()
	a.line.Stop()
}

// begin skips the questions that were asked before the ear listens.
func (b *bus) begin(ctx context.Context, l *link) error {
	last, err := b.newest(ctx, l)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = last
	select {
	case <-b.ready:
	default:
		close(b.ready)
	}
	return nil
}

// newest returns the number of the newest question.
func (b *bus) newest(ctx context.Context, l *link) (id int64, err error) {
	err = l.conn.QueryRow(ctx, b.sql.newest, b.broker.mode, b.name).Scan(&id)
	return id, err
}

func (b *bus) wake() {
	select {
	case b.woken <- struct{}{}:
	default: // it is awake
	}
}

// serve reads questions until the end.
func (b *bus) serve() {
	for {
		select {
		case <-b.woken:
			b.readQuestions()
		case <-b.life.Done():
			return
		}
	}
}

// readQuestions hands each new question to the functions of its topic. Those that can't be read are
// lost.
func (b *bus) readQuestions() {
	b.mu.Lock()
	last := b.last
	b.mu.Unlock()
	_ = b.read(b.life, func(ctx context.Context) error {
		rows, err := b.broker.pool.Query(ctx, b.sql.questions, b.broker.mode, b.name, last)
		if err != nil {
			return err
		}
		var id int64
		var topic string
		var body []byte
		_, err = pgx.ForEachRow(rows, []any{&id, &topic, &body}, func() error {
			b.hand(id, topic, body)
			return nil
		})
		return err
	})
}

// hand hands a question to the functions of its topic, once.
func (b *bus) hand(id int64, topic string, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id <= b.last {
		return
	}
	b.last = id
	for a := range b.own {
		if a.topic == topic {
			a.line.Ask(body, func(answer []byte) { b.answer(id, answer) })
		}
	}
}

// answer writes an answer. It may be lost.
func (b *bus) answer(question int64, answer []byte) {
	if len(answer) > maxValue {
		return
	}
	b.used.Store(true)
	ctx, done := b.bounded(b.life)
	defer done()
	_, _ = b.broker.pool.Exec(ctx, b.sql.answer, b.broker.mode, question, answer)
}

// upkeep removes what is over. If it fails, the next one does it.
func (b *bus) upkeep(ctx context.Context) {
	if b.used.Swap(false) {
		_, _ = b.broker.pool.Exec(ctx, b.sql.sweepQuestions, b.broker.mode)
		_, _ = b.broker.pool.Exec(ctx, b.sql.sweepAnswers, b.broker.mode)
	}
}

// Close implements queue.Bus.
func (b *bus) Close() error {
	b.cancel()
	b.mu.Lock()
	own := b.own
	b.own = map[*answerer]bool{}
	b.mu.Unlock()
	for a := range own {
		a.stop()
	}
	b.end()
	return nil
}
