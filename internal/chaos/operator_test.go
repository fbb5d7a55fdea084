package chaos

import (
	"errors"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// operated is something that an operator does to a broker at work, and takes back.
type operated[B any] struct {
	name   string
	kinds  []Kind
	short  bool // it is part of the short form, with the first of the kinds
	set    func(tr *Trial)
	strike func(tr *Trial, b B) error // and end
	ends   bool                       // sessions may end
	within Span                       // of its end; 0: soon
}

// run runs one trial for each kind.
func (o operated[B]) run(t *testing.T, start func(*testing.T) (b B, at, direct string)) {
	t.Helper()
	for i, kind := range o.kinds {
		if !full && (!o.short || i > 0) {
			continue
		}
		t.Run(o.name+"/"+string(kind), func(t *testing.T) {
			b, at, direct := start(t)
			tr := NewTrial(t, o.name, kind, at, direct)
			tr.Work = 5 * time.Millisecond
			o.set(tr)
			t.Cleanup(tr.Gate.Open)
			tr.Settle()
			cfg := gentask.Config{Concurrency: 4, Prefetch: 8}
			cfg.Reconnect.Max = 1500 * time.Millisecond // a changed queue is a refusal
			tr.Consume(2, cfg)
			for range scaled(1, 2) {
				tr.Publish(scaled(600, 1500))
				tr.Ran(100)
				tr.Gate.Shut() // until it strikes: what it is about must not be over before
				tr.Published()
				tr.Strikes()
				require.NoError(t, o.strike(tr, b))
				tr.Struck()
			}
			row := tr.Finish(2)
			if full && !o.ends { // a machine that is busy with other tests may cost a session
				require.Empty(t, tr.Events(gentask.EventSessionLost))
				require.Empty(t, tr.Events(gentask.EventHealed))
			}
			require.LessOrEqual(t, row.Resumed, max(o.within, soon))
			require.NoError(t, table.Add(row))
		})
	}
}

// refusedForAWhile is when consumers go on at the latest where the broker has refused what they
// published: the waits for the next try have grown.
const refusedForAWhile = Span(10 * time.Second)

// somefail is set for jobs whose settlements need copies: a third of them fails once.
func somefail(tr *Trial) { tr.FailEvery, tr.RetryAfter = 3, 500*time.Millisecond }

// TestChaos_Operator: what an operator does to a RabbitMQ at work, while jobs fail, so that
// consumers have to publish in order to settle.
func TestChaos_Operator(t *testing.T) {
	both := []Kind{Quorum, Classic}
	for _, o := range []operated[*RabbitMQ]{
		{name: "memory alarm, jobs fail", kinds: both, set: somefail, strike: alarmed, within: refusedForAWhile},
		{name: "right to publish withdrawn, jobs fail", kinds: both, set: somefail, strike: unwritable},
		{name: "queue kept full, jobs fail", kinds: both, set: failAtOnce, strike: keptFull, within: refusedForAWhile},
		{name: "max-length-bytes lowered below what waits, jobs fail", kinds: []Kind{Quorum}, set: failAtOnce, strike: narrowed, within: refusedForAWhile},
		{name: "max_message_size lowered below what waits, jobs fail", kinds: both, set: failLarge, strike: shrunk, ends: true},
		{name: "queue edited and edited back by a policy", kinds: []Kind{Quorum}, set: failAtOnce, strike: edited, within: refusedForAWhile},
		{name: "purged by an operator", kinds: both, set: unpoisoned, strike: purged},
	} {
		o.run(t, func(t *testing.T) (*RabbitMQ, string, string) {
			r := sharedRabbit(t)
			return r, r.URL(0), r.guestURL(0)
		})
	}
}

func failAtOnce(tr *Trial) { tr.FailEvery = 3 }

func failLarge(tr *Trial) { tr.FailEvery, tr.LargeEvery = 3, 10 }

func unpoisoned(tr *Trial) { tr.Clean = true }

// refused strikes, and waits until consumers can't settle something for that reason, if it is not
// nil, and give it back.
func refused(tr *Trial, reason error, strike func() error) error {
	failures, returned := len(tr.Events(gentask.EventSettleFailed)), len(tr.Events(gentask.EventReturned))
	if err := strike(); err != nil {
		return err
	}
	tr.Gate.Open()
	tr.Eventually("a settlement is refused", func() bool {
		for _, ev := range tr.Events(gentask.EventSettleFailed)[failures:] {
			if reason == nil || errors.Is(ev.Reason, reason) {
				return true
			}
		}
		return false
	})
	tr.Eventually("a delivery is given back", func() bool { return len(tr.Events(gentask.EventReturned)) > returned })
	return nil
}

// alarmed: a requeue, and a dead letter, must be published, and the broker blocks who publishes.
// Others go on.
func alarmed(tr *Trial, r *RabbitMQ) error {
	tr.Cleanup(func() { require.NoError(tr, r.SetMemoryAlarm(false)) })
	if err := refused(tr, rabbitmq.ErrBlocked, func() error { return r.SetMemoryAlarm(true) }); err != nil {
		return err
	}
	tr.Ran(20)
	return r.SetMemoryAlarm(false)
}

// unwritable: the user of the consumers may consume and settle, and neither publish nor declare.
func unwritable(tr *Trial, r *RabbitMQ) error {
	tr.Cleanup(func() { require.NoError(tr, r.GiveRights()) })
	if err := refused(tr, rabbitmq.ErrRefused, r.WithdrawPublishing); err != nil {
		return err
	}
	tr.Ran(50)
	return r.GiveRights()
}

// keptFull: the queue takes a hundred messages, and has more; publishers want in all the time.
func keptFull(tr *Trial, r *RabbitMQ) error {
	defer tr.Publish(100)
	return policed(tr, r, `{"max-length":100,"overflow":"reject-publish"}`)
}

// narrowed: what waits is far more than the queue takes.
func narrowed(tr *Trial, r *RabbitMQ) error {
	return policed(tr, r, `{"max-length-bytes":100,"overflow":"reject-publish"}`)
}

// edited: where the driver has declared what the queue does, the operator's policy changes nothing.
func edited(tr *Trial, r *RabbitMQ) error {
	return policed(tr, r, `{"max-length":10,"delivery-limit":50,"dead-letter-routing-key":"nowhere"}`)
}

// policed sets a policy. A classic queue obeys a limit before it reads what to do about it, and
// drops what is beyond: it must know before.
func policed(tr *Trial, r *RabbitMQ, definition string) error {
	set := func(definition string) error { return r.SetPolicy(tr.Queue, "^"+tr.Queue+"$", definition) }
	err := refused(tr, rabbitmq.ErrNacked, func() error { return errors.Join(set(`{"overflow":"reject-publish"}`), set(definition)) })
	if err != nil {
		return err
	}
	tr.Ran(100)
	return r.ClearPolicy(tr.Queue)
}

// shrunk: large messages wait, and those whose jobs fail can't be published again. Large ones that
// can't be decoded are dead-lettered by the broker itself.
func shrunk(tr *Trial, r *RabbitMQ) error {
	const usual = 16 << 20
	tr.Cleanup(func() { require.NoError(tr, r.SetSizeLimit(usual)) })
	err := refused(tr, queue.ErrTooLarge, func() error { return errors.Join(r.SetSizeLimit(largeBody/4), r.CloseConnections()) })
	if err != nil {
		return err
	}
	tr.Ran(100)
	return r.SetSizeLimit(usual)
}

// held waits until both consumers hold all that they may and settle nothing.
func held(tr *Trial) int {
	const most = 2 * 8
	tr.Eventually("all slots are taken", func() bool {
		n := 0
		for _, c := range tr.Consumers() {
			n += c.Health().Held
		}
		return n == most
	})
	return most
}

// purged: the messages that wait are gone, and those that are held run and are settled.
func purged(tr *Trial, r *RabbitMQ) error {
	held(tr)
	conn, err := amqp.Dial(r.guestURL(0))
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	n, err := ch.QueuePurge(tr.Queue, false)
	require.Positive(tr, n)
	tr.purge(n)
	tr.Gate.Open()
	return err
}
