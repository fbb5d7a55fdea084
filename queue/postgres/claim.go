package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask/queue"
)

// claimed is one claim and its result.
type claimed struct {
	step
	want  int
	sweep bool
	begun time.Time
	rows  []*holding
	marks []mark // of rows
}

// newClaim returns a claim of at most want messages, from the marks or from the start.
func (in *intake) newClaim(want int) *claimed {
	c := &claimed{want: want, begun: time.Now()}
	c.sweep = in.s.hurried() || c.begun.Sub(in.swept) >= in.between
	var priorities []int16
	var times []time.Time
	var ids []int64
	for p := int16(queue.MaxPriority); p >= 0; p-- {
		from := in.marks[p]
		switch {
		case c.sweep:
			from = mark{}
		case in.short && !from.notBefore.IsZero():
			from = mark{notBefore: from.notBefore.Add(-lag)}
		}
		priorities, times, ids = append(priorities, p), append(times, from.notBefore), append(ids, from.id)
	}
	sql := in.s.broker.sql.claim
	if in.s.inOrder {
		sql = in.s.broker.sql.claimInOrder
	}
	c.step = step{sql, []any{in.s.id, in.s.queue, want, priorities, times, ids}, c.read}
	return c
}

// read reads the rows of a claim. A transaction that is repeated reads them again.
func (c *claimed) read(rows pgx.Rows) error {
	c.rows, c.marks = nil, nil
	defer rows.Close()
	for rows.Next() {
		h, m, headers, deliveries := &holding{}, mark{}, "", 0
		d := &h.Delivery
		if err := rows.Scan(&h.id, &d.Priority, &m.notBefore, &d.Attempt, &deliveries, &d.Time, &d.ID, &d.ContentType,
			&headers, &d.Body); err != nil {
			return err
		}
		m.id = h.id
		if d.ID == "" { // a foreign publisher's
			d.ID = fmt.Sprintf("postgres-%d", h.id)
		}
		d.Headers, d.Properties = decodeHeaders(headers)
		d.Redelivered, d.Sequence = deliveries > 1, uint64(h.id) //nolint:gosec // an identity is positive
		c.rows, c.marks = append(c.rows, h), append(c.marks, m)
	}
	return rows.Err()
}

// claimInOrder claims in a transaction of its own, because the lock is held until its end: the
// others must not wait for the disk.
func (in *intake) claimInOrder(ctx context.Context, c *claimed) error {
	lock := step{sql: in.s.broker.sql.lockClaims, args: []any{in.s.queue}}
	return in.link.retried(ctx, true, lock, c.step)
}
